"""Wallets of cryptocurrencies, by their checksums."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from noroshi.model.canonical.names import wrong

_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_LEGACY: Final = re.compile(r"[13][1-9A-HJ-NP-Za-km-z]{25,34}")
_SEGWIT: Final = re.compile(r"bc1[02-9ac-hj-np-z]{8,87}")
_MONERO: Final = re.compile(r"[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}")
_ETHEREUM: Final = re.compile(r"0x[0-9a-f]{40}")


def wallet(value: str) -> str:
    """A Bitcoin (Base58Check or Bech32, checksum verified), Ethereum or Monero address (by its shape)."""
    text = value.strip()
    if _LEGACY.fullmatch(text) and _base58check(text):
        return text
    if _MONERO.fullmatch(text):
        return text
    if text in (text.lower(), text.upper()) and _SEGWIT.fullmatch(text.lower()) and _bech32(text.lower()):
        return text.lower()
    if _ETHEREUM.fullmatch(text.lower()):
        return text.lower()
    raise wrong(value, "a wallet", "Write a Bitcoin, Ethereum or Monero address.")


def _base58check(text: str) -> bool:
    """Source: Bitcoin developer reference, Base58Check: version, 20 bytes, 4 bytes of double SHA-256."""
    number = 0
    for char in text:
        number = number * 58 + _BASE58.index(char)
    if number >> 200:
        return False
    raw = number.to_bytes(25)
    zeros = len(raw) - len(raw.lstrip(b"\0"))
    if zeros != len(text) - len(text.lstrip("1")):
        return False
    return raw[0] in (0, 5) and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32(text: str) -> bool:
    """Source: BIP 173, BIP 350 (Bech32m for witness version 1 and above)."""
    data = [_BECH32.index(c) for c in text[3:]]
    check = 1
    for value in [3, 3, 0, 2, 3, *data]:  # the human readable part `bc`, expanded
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check == (1 if data[0] == 0 else 0x2BC830A3)
