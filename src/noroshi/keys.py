"""Keys of this site: they lie beside the lake, never in it, and stand in no log, export or message.

One file holds random secrets; what is used is derived from them by purpose (HKDF, RFC 5869), so that the hash of
a credential tells nothing about an anonymised address. After a rotation the older secrets stay, for reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from noroshi.model.errors import LakeError, UsageError

VERSION = 1
_BYTES = 32


@dataclass(frozen=True)
class Key:
    """One secret of the file; `derive` gives what is used."""

    id: str
    """The first half of a digest of the secret: tells keys apart, says nothing about them."""
    made: str
    """When it was made, ISO 8601."""
    secret: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HKDF-SHA256 without salt, RFC 5869)."""
        prk = hmac.new(b"\0" * 32, self.secret, hashlib.sha256).digest()
        return hmac.new(prk, f"noroshi {purpose}".encode() + b"\1", hashlib.sha256).digest()


@dataclass(frozen=True)
class Keys:
    """All keys of a site, the newest first: it makes, the others only recognise."""

    path: Path
    keys: tuple[Key, ...]

    @property
    def newest(self) -> Key:
        """The key in use."""
        return self.keys[0]

    def derive(self, purpose: str) -> bytes:
        """32 bytes of the key in use, for one purpose: `credentials`, `anonymise:PROFILE`, ..."""
        return self.newest.derive(purpose)

    def credential(self, user: str, password: str) -> str:
        """What stands for a credential pair in links and exports: `hmac:` and 64 hexadecimal digits."""
        return _token(self.newest, user, password)

    def credentials(self, user: str, password: str) -> list[str]:
        """The same under every key, newest first: what a search has to look for."""
        return [_token(k, user, password) for k in self.keys]


def _token(key: Key, user: str, password: str) -> str:
    pair = f"{user}\0{password}".encode("utf-8", "surrogatepass")
    return "hmac:" + hmac.new(key.derive("credentials"), pair, hashlib.sha256).hexdigest()


def place(lake: Path) -> Path:
    """Where the keys of a lake are: NOROSHI_KEYS, else `<lake>.keys` beside it."""
    given = os.environ.get("NOROSHI_KEYS")
    if given:
        return Path(given).expanduser().absolute()
    root = lake.expanduser().absolute()
    return root.with_name(f"{root.name}.keys")


def load(lake: Path, *, make: bool = True) -> Keys:
    """The keys of the lake in that folder, made at first use when `make` holds.

    Raises LakeError when there are none, when they cannot be read, or when others may read them.
    """
    path = place(lake)
    try:
        return _read(path)
    except FileNotFoundError:
        if not make:
            raise LakeError(
                "there are no keys yet", where=str(path), todo="They are made at first use."
            ) from None
    _store(path, [_fresh()], new=True)
    return _read(path)


def rotate(lake: Path) -> Keys:
    """Adds a new key, which is used from now on; the older ones stay, to recognise what they made."""
    old = load(lake)
    _store(old.path, [_fresh(), *(_entry(k) for k in old.keys)], new=False)
    return _read(old.path)


def export(lake: Path, to: Path) -> Keys:
    """Copies the keys into a new file that only its owner can read. Raises UsageError when it exists."""
    keys = load(lake, make=False)
    if not _store(to.expanduser().absolute(), [_entry(k) for k in keys.keys], new=True):
        raise UsageError(f"{to} exists already", todo="Name a file that does not.")
    return keys


def _fresh() -> dict[str, str]:
    return {"made": datetime.now(UTC).isoformat(timespec="seconds"), "secret": secrets.token_hex(_BYTES)}


def _entry(key: Key) -> dict[str, str]:
    return {"made": key.made, "secret": key.secret.hex()}


def _read(path: Path) -> Keys:
    todo = "Restore it from a backup; without it, credentials in links cannot be recognised any more."
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            raw: Any = json.loads(file.read(1 << 20))
        if mode & 0o077:
            raise LakeError("others than its owner may read the keys", where=str(path),
                            todo=f"chmod 600 {path}")  # fmt: skip
        if raw["version"] != VERSION:
            raise LakeError(f"its version is {raw['version']}, this program reads {VERSION}", where=str(path),
                            todo="Use a newer version of Noroshi.")  # fmt: skip
        if not raw["keys"]:
            raise ValueError("no key")
        return Keys(path, tuple(_key(e) for e in raw["keys"][:1000]))
    except FileNotFoundError:
        raise
    except OSError as e:
        raise LakeError(f"the keys cannot be read: {e.strerror}", where=str(path), todo=todo) from None
    except (ValueError, KeyError, TypeError):
        raise LakeError("this is no file of keys", where=str(path), todo=todo) from None


def _key(entry: dict[str, str]) -> Key:
    secret = bytes.fromhex(entry["secret"])
    if len(secret) != _BYTES:
        raise ValueError("a secret of the wrong length")
    # Through HKDF first: a digest of the secret itself stands nowhere.
    name = hashlib.sha256(Key("", "", secret).derive("name")).hexdigest()[:16]
    return Key(name, str(entry["made"]), secret)


def _store(path: Path, entries: list[dict[str, str]], *, new: bool) -> bool:
    """Writes the file, readable by its owner alone, whole or not at all; False when `new` and it is there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    text = json.dumps({"version": VERSION, "keys": entries}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            os.link(temporary, path)  # of two that make keys at once, one wins and both use its
        else:
            temporary.replace(path)
        _settle(path.parent)
        return True
    except FileExistsError:
        return False
    except OSError as e:
        raise LakeError(f"the keys cannot be written: {e.strerror}", where=str(path),
                        todo="Set NOROSHI_KEYS to a file that can be.") from None  # fmt: skip
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _settle(folder: Path) -> None:
    """The new name survives a loss of power: what was made with a key must stay recognisable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
