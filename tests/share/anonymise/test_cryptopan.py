"""Crypto-PAn: the published vectors, another implementation, and what prefix-preserving means."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
import yacryptopan
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.share.anonymise.cryptopan import CryptoPan, mask_texts

# The key and pairs of the authors' sample program (Crypto-PAn 1.0, sample.cpp and sample_trace_sanitized.dat).
KEY = bytes(
    (21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16,
     216, 152, 143, 131, 121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2)
)  # fmt: skip
VECTORS = {
    "128.11.68.132": "135.242.180.132",
    "129.118.74.4": "134.136.186.123",
    "130.132.252.244": "133.68.164.234",
    "141.223.7.43": "141.167.8.160",
    "141.233.145.108": "141.129.237.235",
    "152.163.225.39": "151.140.114.167",
    "156.29.3.236": "147.225.12.42",
    "165.247.96.84": "162.9.99.234",
    "166.107.77.190": "160.132.178.185",
    "192.102.249.13": "252.138.62.131",
}
four = st.integers(0, 2**32 - 1)
six = st.integers(0, 2**128 - 1)
PAN, OTHER = CryptoPan(KEY), yacryptopan.CryptoPAn(KEY)


@pytest.mark.parametrize(("address", "masked"), VECTORS.items())
def test_published_vectors(address: str, masked: str) -> None:
    assert mask_texts(PAN, [address]) == [masked]
    assert PAN.unmask4(int(ipaddress.IPv4Address(masked))) == int(ipaddress.IPv4Address(address))


@settings(max_examples=60, deadline=None)
@given(four, six)
def test_equal_to_another_implementation(a: int, b: int) -> None:
    assert PAN.mask4(a) == OTHER.anonymize_bin(a, 4)
    assert PAN.mask6(b) == OTHER.anonymize_bin(b, 6)


@settings(max_examples=40, deadline=None)
@given(four, six)
def test_unmasking_gives_back(a: int, b: int) -> None:
    assert PAN.unmask4(PAN.mask4(a)) == a
    assert PAN.unmask6(PAN.mask6(b)) == b


@settings(max_examples=60, deadline=None)
@given(four, four)
def test_common_prefixes_stay(a: int, b: int) -> None:
    assert (a ^ b).bit_length() == (PAN.mask4(a) ^ PAN.mask4(b)).bit_length()


@pytest.mark.parametrize("count", [0, 1, 511, 513, 40_000])
@pytest.mark.parametrize("spread", [1 << 32, 1 << 12])
def test_many_at_once_are_the_same_in_order(count: int, spread: int) -> None:
    given_ = np.random.default_rng(count).integers(0, spread, count).astype(np.uint32)
    masked = PAN.mask4_many(given_)
    some = range(0, count, max(1, count // 200))
    assert [int(masked[i]) for i in some] == [PAN.mask4(int(given_[i])) for i in some]


@pytest.mark.parametrize("count", [0, 1, 129, 33_000])
@pytest.mark.parametrize("same", [0, 64, 120])
def test_many_of_ipv6_at_once(count: int, same: int) -> None:
    rng = np.random.default_rng(count)
    words = rng.integers(0, 1 << 63, (count, 2)).astype(np.uint64)
    if count and same >= 64:
        words[:, 0] = words[0, 0]
        words[:, 1] >>= np.uint64(same - 64)
    masked = PAN.mask6_many(words)
    for i in range(0, count, max(1, count // 60)):
        value = PAN.mask6(int(words[i, 0]) << 64 | int(words[i, 1]))
        assert (int(masked[i, 0]) << 64 | int(masked[i, 1])) == value


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CryptoPan(b"short")
