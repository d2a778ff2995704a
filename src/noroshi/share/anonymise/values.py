"""Single values under a profile: addresses, networks, names, hashes; the same one always becomes the same one."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.share.anonymise.cryptopan import CryptoPan
from noroshi.share.anonymise.site import PRIVATE, SPECIAL, Ranges, Site, embedded

if TYPE_CHECKING:
    from noroshi.share.profile import Profile

TOKEN_NET: Final = bytes((1, 0)) + bytes(6)
"""100::/64, the discard prefix (RFC 6666): a token in it can be nobody's address, and no packet to it arrives."""
_CLASSES: Final = {
    "email": "e-mail", "credential": "credential", "asn": "asn", "certificate": "host-key", "ssh-key": "host-key",
    **dict.fromkeys(
        ("md5", "sha1", "sha256", "sha512", "imphash", "ssdeep", "tlsh", "hassh", "ja3", "ja3s", "ja4", "ja4s"),
        "hash",
    ),
}  # fmt: skip
"""Class of field of a kind of observable; addresses, names and URLs are judged by their value."""
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,31}://)(?:([^/?#@]*)@)?(\[[^\]]*\]|[^/?#:]*)([\s\S]*)")


class Values:
    """Masks single values. Safe to share between threads; answers are remembered, within bounds."""

    def __init__(self, profile: Profile, site: Site, key: Callable[[str], bytes]) -> None:
        """key: 32 bytes for a purpose (`ipv4`, `ipv6`, `token`), of one recipient and epoch."""
        self.rules = profile.rules
        self._key = key
        self._secret = key("token")
        self.own_ranges, self.dark_ranges = Ranges(site.own), Ranges(site.telescopes)
        self.own_spans, self.dark_spans = self.own_ranges.spans, self.dark_ranges.spans
        self.domains = tuple(d.lower().strip(".") for d in site.domains)
        self.address = lru_cache(maxsize=1 << 16)(self._address)
        self._pans: dict[int, CryptoPan] = {}

    def hides(self, field: str) -> bool:
        """True when values of that class do not stay as they are."""
        return self.rules[field].do != "keep"

    def pan(self, version: int) -> CryptoPan:
        """Crypto-PAn for that version, made at first use."""
        if version not in self._pans:
            self._pans[version] = CryptoPan(self._key(f"ipv{version}"))
        return self._pans[version]

    def field_of(self, packed: bytes, *, victim: bool = False, own: bool = False) -> str:
        """The class of a stored address; victim, own: what its place says of it."""
        if self.dark_ranges.holds(packed):
            return "telescope-address"
        if own or self.own_ranges.holds(packed):
            return "own-address"
        inner = embedded(packed)
        if inner is not None and (self.dark_ranges.holds(inner) or self.own_ranges.holds(inner)):
            return self.field_of(inner)
        if SPECIAL.holds(packed):
            return "special-address"
        if PRIVATE.holds(packed):
            return "private-address"
        return "victim-address" if victim else "other-address"

    def _address(self, packed: bytes, victim: bool = False, own: bool = False) -> bytes | None:
        """A stored address masked, as a stored address (truncated: the first of its network); None when dropped."""
        rule = self.rules[self.field_of(packed, victim=victim, own=own)]
        if rule.do == "keep":
            return packed
        if rule.do == "truncate":
            return truncated(packed, rule.v4 if packed[0] == address.V4 else rule.v6)
        if rule.do == "prefix-preserving":
            number = int.from_bytes(packed[1:])
            if packed[0] == address.V4:
                return b"\4" + self.pan(4).mask4(number).to_bytes(4)
            return b"\6" + self.pan(6).mask6(number).to_bytes(16)
        return self.address_token(packed) if rule.do == "token" else None

    def address_token(self, packed: bytes) -> bytes:
        """The token of a stored address: an address of 100::/64."""
        return b"\6" + TOKEN_NET + self.digest(b"ip", packed)[:8]

    def addresses(
        self, packed: Iterable[bytes], *, victim: bool = False, own: bool = False
    ) -> list[bytes | None]:
        """As `address`, many at once: those for Crypto-PAn go to the cipher together."""
        import numpy as np

        out: list[bytes | None] = []
        four: list[int] = []
        numbers: list[int] = []
        for one in packed:
            field = self.field_of(one, victim=victim, own=own)
            if one[0] == address.V4 and self.rules[field].do == "prefix-preserving":
                four.append(len(out))
                numbers.append(int.from_bytes(one[1:]))
                out.append(None)
            else:
                out.append(self.address(one, victim, own))
        if four:
            masked = self.pan(4).mask4_many(np.array(numbers, np.uint32))
            for at, number in zip(four, masked.tolist(), strict=True):
                out[at] = b"\4" + number.to_bytes(4)
        return out

    def ip(self, text: str, *, victim: bool = False, own: bool = False) -> str | None:
        """An address in text masked: an address, or a network when it is truncated."""
        try:
            packed = address.pack(text)
        except UsageError:
            return None
        masked = self.address(packed, victim, own)
        if masked is None:
            return None
        rule = self.rules[self.field_of(packed, victim=victim, own=own)]
        if rule.do == "truncate":
            return address.prefix_text(masked, rule.v4 if masked[0] == address.V4 else rule.v6)
        return address.text(masked)

    def prefix(self, text: str, *, victim: bool = False, own: bool = False) -> str | None:
        """A network masked: cut, or its bits masked as those of its addresses are; a token is a /96 of 100::/64."""
        try:
            low, high = address.prefix_range(text)
        except UsageError:
            return None
        length = len(low) * 8 - 8 - (int.from_bytes(low) ^ int.from_bytes(high)).bit_length()
        field = self.field_of(low, victim=victim, own=own)
        # A network around an own one tells of it when it is hardly larger; 0.0.0.0/0 tells nothing.
        for ranges, name in ((self.own_ranges, "own-address"), (self.dark_ranges, "telescope-address")):
            if ranges.meets(low, high) and any(
                length >= _length(s) - 8 for s in ranges.spans if s[0][0] == low[0]
            ):
                field = name
        rule = self.rules[field]
        if rule.do == "keep":
            return address.prefix_text(low, length)
        if rule.do == "truncate":
            return address.prefix_text(low, min(length, rule.v4 if low[0] == address.V4 else rule.v6))
        if rule.do == "prefix-preserving":
            pan, number = self.pan(low[0]), int.from_bytes(low[1:])
            masked = pan.mask4(number) if low[0] == address.V4 else pan.mask6(number)
            return address.prefix_text(low[:1] + masked.to_bytes(len(low) - 1), length)
        if rule.do == "token":
            return address.prefix_text(
                b"\6" + TOKEN_NET + self.digest(b"prefix", low, bytes((length,)))[:4] + bytes(4), 96
            )
        return None

    def domain(self, name: str) -> str | None:
        """A name masked; a token is a name below `invalid` (RFC 2606)."""
        field = "own-domain" if self.is_own(name) else "other-domain"
        do = self.rules[field].do
        if do == "keep":
            return name
        return (
            f"{self.digest(b'domain', name.lower().encode()).hex()[:16]}.invalid" if do == "token" else None
        )

    def is_own(self, name: str) -> bool:
        """True for a name at or below an own domain."""
        low = name.lower().rstrip(".")
        return any(low == d or low.endswith(f".{d}") for d in self.domains)

    def host(self, text: str, *, victim: bool = False) -> str | None:
        """An address or a name, masked."""
        bare = text[1:-1] if text.startswith("[") else text
        if bare and (bare[-1].isdigit() or ":" in bare):
            masked = self.ip(bare, victim=victim)
            if masked is None and not _is_ip(bare):
                return self.domain(text)
            return (
                masked
                if masked is None or ":" not in masked or "/" in masked
                else f"[{masked}]"
                if bare != text
                else masked
            )
        return self.domain(text)

    def url(self, text: str, rest: Callable[[str], str]) -> str | None:
        """A URL masked: its host as one, what follows by `rest`; generalised to its host alone."""
        do = self.rules["url"].do
        if do == "token":
            return f"https://{self.digest(b'url', text.encode(errors='surrogatepass')).hex()[:16]}.invalid/"
        found = _URL.fullmatch(text)
        if do not in ("keep", "generalise") or found is None:
            return None if do != "keep" else rest(text)
        scheme, user, host, after = found.groups()
        masked = self.host(host)
        if masked is None:
            return None
        if masked != host and "/" in masked:  # a truncated address: its first, which stands for the network
            masked = masked.partition("/")[0]
        if masked != host and ":" in masked and not masked.startswith("["):
            masked = f"[{masked}]"
        if do == "generalise":
            return f"{scheme}{masked}/"
        before = f"{user}@" if user and not self.hides("password") and not self.hides("e-mail") else ""
        return f"{scheme}{before}{masked}{rest(after)}"

    def word(self, field: str, text: str) -> str | None:
        """A text of a class that is kept, dropped or a token: `organisation-0123456789ab`."""
        do = self.rules[field].do
        if do == "keep":
            return text
        if do != "token":
            return None
        raw = self.digest(field.encode(), text.encode(errors="surrogatepass")).hex()
        if field == "asn" and re.fullmatch(r"AS[0-9]{1,10}", text):
            return f"AS{4_200_000_000 + int(raw[:12], 16) % 94_967_295}"  # private use, RFC 6996
        if field in ("hash", "host-key") and re.fullmatch(r"[0-9a-f]{32,128}", text):
            return (raw + self.digest(b"more", raw.encode()).hex())[: len(text)]
        if field == "credential":
            return f"hmac:{raw}"
        if field == "e-mail":
            return f"{raw[:12]}@hidden.invalid"
        return f"{field}-{raw[:12]}"

    def email(self, text: str) -> str | None:
        """A mail address masked; one that is kept has its own domain masked."""
        if self.hides("e-mail"):
            return self.word("e-mail", text)
        local, _, host = text.rpartition("@")
        masked = self.domain(host)
        return None if masked is None else f"{local}@{masked}"

    def digest(self, *parts: bytes) -> bytes:
        """32 bytes under the key of this recipient and epoch."""
        return hmac.new(self._secret, b"\0".join(parts), hashlib.sha256).digest()

    def of_kind(self, kind: str, role: str = "") -> str | None:
        """The class of an observable of that kind where its value does not decide; None where it does."""
        if kind in ("certificate", "ssh-key") and role == "client":
            return "hash"
        return _CLASSES.get(kind)


def truncated(packed: bytes, bits: int) -> bytes:
    """The first stored address of the network of `bits` bits around one."""
    width = (len(packed) - 1) * 8
    low = (1 << (width - bits)) - 1
    return packed[:1] + (int.from_bytes(packed[1:]) & ~low).to_bytes(len(packed) - 1)


def _length(span: tuple[bytes, bytes]) -> int:
    return len(span[0]) * 8 - 8 - (int.from_bytes(span[0]) ^ int.from_bytes(span[1])).bit_length()


def _is_ip(text: str) -> bool:
    try:
        address.pack(text)
    except UsageError:
        return False
    return True
