"""Masked values turned back by whoever holds the keys: told to the audit log first, or not done."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from noroshi import keys
from noroshi.model import address
from noroshi.model.errors import UsageError
from noroshi.model.observable import resolve_one
from noroshi.model.tables import TABLES
from noroshi.share.anonymise.classes import ADDRESSES, column_class
from noroshi.share.anonymise.findings import keyed_id
from noroshi.share.anonymise.masking import Masking, masker
from noroshi.share.anonymise.site import Site
from noroshi.share.anonymise.values import TOKEN_NET
from noroshi.share.profile import for_recipient
from noroshi.work.masks import folder

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot
    from noroshi.lake.state import State
    from noroshi.share.marking import Recipient

LONGEST: Final = 4_096
_EPOCH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2]|Q[1-4])|fixed")
_UUID: Final = re.compile(r"(?:[a-z0-9\-]{1,40}--)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_WORD: Final = re.compile(r"([a-z\-]{1,20})-[0-9a-f]{12}")
_ROLES: Final = ((False, False), (True, False), (False, True))
"""Whether the place an address stood in made it a victim's, or an own one."""
_ENUMERATED: Final = 1 << 16
"""Addresses of a configured range that are tried besides those stored."""


@dataclass(frozen=True)
class Original:
    """A value that becomes the masked one."""

    kind: str
    value: str
    key: str
    """Id of the key under which it does."""
    stored: bool
    """It stands in the lake or the configuration. When Crypto-PAn alone says so, any address has an original."""


@dataclass(frozen=True)
class Revealed:
    """What a masked value stands for."""

    masked: str
    epoch: str
    profile: str
    originals: list[Original] = field(default_factory=list)


def reveal(
    lake: Lake, config: Config, state: State, to: Recipient, value: str, *, who: str, now: datetime, epoch: str = ""
) -> Revealed:  # fmt: skip
    """What stands behind a masked value that `to` has.

    The audit log is told first; LakeError when it cannot be, and nothing is revealed. Raises UsageError for a value no
    mask makes, or one that cannot be turned back (a truncated address).
    """
    value = value.strip()
    if not value or len(value) > LONGEST:
        raise UsageError("a masked value has 1 to 4,096 characters", todo="Give it as the recipient has it.")
    if epoch and not _EPOCH.fullmatch(epoch):
        raise UsageError(f"{epoch[:40]!r} is no epoch", todo="Write 2026-11, 2026-Q4 or fixed.")
    profile = for_recipient(to, folder(config))
    epoch = epoch or profile.at(now)
    state.audit.tell(who, "reveal", recipient=to.name, value=value[:200], epoch=epoch, profile=profile.name)
    if profile.plain:
        raise UsageError(
            f"{to.name} gets values as they are", todo=f"Its profile, {profile.name}, masks nothing."
        )
    ring = keys.load(lake.path, make=False)
    out: list[Original] = []
    shot = lake.snapshot()
    for key in ring.keys:
        mask = _under(key, ring, config, to, now, epoch)
        out += [replace(o, key=key.id) for o in _behind(mask, shot, config, value)]
    return Revealed(value, epoch, profile.name, out)


def _under(
    key: keys.Key, ring: keys.Keys, config: Config, to: Recipient, now: datetime, epoch: str
) -> Masking:
    """The mask as it was under one of the keys."""
    one = replace(ring, keys=(key,))
    mask = masker(
        for_recipient(to, folder(config)), keys=lambda: one, recipient=to.name, site=Site.of(config), now=now,
        epoch=epoch,
    )  # fmt: skip
    assert isinstance(mask, Masking)
    return mask


def _behind(mask: Masking, shot: Snapshot, config: Config, value: str) -> Iterator[Original]:
    found = resolve_one("ip", value)
    if found:
        packed = address.pack(value)
        if packed[0] == 6 and packed[1:9] == TOKEN_NET:
            yield from _tokens(mask, shot, config, packed)
        else:
            yield from _preserved(mask, shot, packed)
        return
    if "/" in value and (net := resolve_one("prefix", value)):
        yield from _networks(mask, shot, config, net[1])
        return
    if match := _UUID.fullmatch(value):
        yield from _finding(mask, shot, match[1])
        return
    kind, candidates = _wording(shot, config, value)
    change = _change(mask, kind)
    for one in candidates:
        if change(one) == value:
            yield Original(kind, one, "", True)


def _preserved(mask: Masking, shot: Snapshot, masked: bytes) -> Iterator[Original]:
    """The original of a prefix-preserved address, when an address of its class is masked so."""
    pan, number = mask.values.pan(masked[0]), int.from_bytes(masked[1:])
    original = pan.unmask4(number) if masked[0] == 4 else pan.unmask6(number)
    packed = masked[:1] + original.to_bytes(len(masked) - 1)
    text = address.text(packed)
    if not any(mask.values.address(packed, *role) == masked for role in _ROLES):
        return
    known = shot.sql("SELECT 1 FROM links WHERE kind = 'ip' AND value = $v LIMIT 1", {"v": text}).num_rows
    # As a decoy's address any address at all could be an own one: then only those the lake has.
    if known or any(mask.values.address(packed, *role) == masked for role in _ROLES[:2]):
        yield Original("ip", text, "", bool(known))


def _addresses(shot: Snapshot, config: Config) -> Iterator[bytes]:
    """Every address of the lake's links, and of own and telescope ranges as far as they can be tried."""
    import ipaddress

    for prefix in (*config.own, *config.telescope_prefixes):
        net = ipaddress.ip_network(prefix.strip(), strict=False)
        first, size = int(net.network_address), net.max_prefixlen // 8
        for i in range(min(net.num_addresses, _ENUMERATED)):
            yield bytes((net.version,)) + (first + i).to_bytes(size)
    for text in _distinct(shot, "SELECT DISTINCT value FROM links WHERE kind = 'ip'", "value"):
        yield address.pack(text)


def _tokens(mask: Masking, shot: Snapshot, config: Config, masked: bytes) -> Iterator[Original]:
    if not any(mask.rules[c].do == "token" for c in ADDRESSES):
        return
    seen: set[bytes] = set()
    for packed in _addresses(shot, config):
        if packed not in seen and mask.values.address_token(packed) == masked:
            seen.add(packed)
            yield Original("ip", address.text(packed), "", True)


def _networks(mask: Masking, shot: Snapshot, config: Config, masked: str) -> Iterator[Original]:
    """Networks of the lake and the configuration that become this one; a truncated address cannot be turned back."""
    stored = _distinct(shot, "SELECT DISTINCT value FROM links WHERE kind = 'prefix'", "value")
    found = [
        p
        for p in (*config.own, *config.telescope_prefixes, *stored)
        if any(mask.values.prefix(p, victim=v, own=o) == masked for v, o in _ROLES)
    ]
    for one in dict.fromkeys(found):
        yield Original("prefix", one, "", True)
    cut = any(mask.rules[c].do == "truncate" for c in ADDRESSES)
    if not found and cut:
        raise UsageError(
            f"{masked} is what is left of truncated addresses",
            todo=f"What was cut off cannot be made again; the lake's rows of that network: noroshi pivot {masked}",
        )


def _finding(mask: Masking, shot: Snapshot, id_: str) -> Iterator[Original]:
    """The finding behind an id that was remade."""
    for one in _distinct(shot, "SELECT DISTINCT id FROM findings", "id"):
        if id_ in (keyed_id(mask.epoch_key, one), keyed_id(mask.names_key, one)):
            yield Original("finding", one, "", True)


def _wording(shot: Snapshot, config: Config, value: str) -> tuple[str, Iterator[str]]:
    """The kind of value a token is of, and what could be behind it."""
    word = _WORD.fullmatch(value)
    if word:
        return word[1], _of_class(shot, config, word[1])
    kinds: list[tuple[str, str]] = []
    if value.endswith(".invalid/"):
        kinds = [("url", "url")]
    elif value.endswith("@hidden.invalid"):
        kinds = [("email", "email")]
    elif value.endswith(".invalid"):
        kinds = [("domain", "domain")]
    elif value.startswith("hmac:"):
        kinds = [("credential", "credential")]
    elif re.fullmatch(r"[0-9a-f]{32,128}|AS42[0-9]{8}", value):
        kinds = [("asn" if value[0] == "A" else "hash", "")]
    else:
        raise UsageError(
            f"{value[:100]!r} is nothing a mask makes",
            todo="Give an address, a network, a finding's id or a token.",
        )
    kind = kinds[0][0]
    where = (
        "kind = 'asn'"
        if kind == "asn"
        else f"kind = '{kind}'"
        if kind != "hash"
        else f"length(value) = {len(value)}"
    )
    stored = _distinct(shot, f"SELECT DISTINCT value FROM links WHERE {where}", "value")  # noqa: S608 - ours
    return kind, (v for some in (config.own_domains if kind == "domain" else (), stored) for v in some)


def _of_class(shot: Snapshot, config: Config, name: str) -> Iterator[str]:
    """Every text of the lake in a column of that class."""
    if name == "sensor":
        yield from Site.of(config).sensors
    for table in TABLES.values():
        for column in table.columns:
            if column_class(table.name, column.name) == name and column.type == "string":
                text = f'SELECT DISTINCT "{column.name}" AS value FROM {table.name}'  # noqa: S608 - names of ours
                yield from _distinct(shot, text, "value")
    if name in ("sensor", "organisation", "person"):
        yield from _told(shot)


def _told(shot: Snapshot) -> Iterator[str]:
    """Short texts in the evidence of findings: owners, contacts, makers."""
    import msgspec

    for raw in _distinct(shot, "SELECT DISTINCT evidence FROM findings", "evidence"):
        stack = [msgspec.json.decode(raw)]
        while stack:
            thing = stack.pop()
            if isinstance(thing, dict):
                stack += thing.values()
            elif isinstance(thing, list):
                stack += thing
            elif isinstance(thing, str) and len(thing) <= 200:
                yield thing


def _change(mask: Masking, kind: str) -> Callable[[str], str | None]:
    if kind == "domain":
        return mask.values.domain
    if kind == "url":
        return lambda v: mask.value("url", v)
    if kind == "email":
        return mask.values.email
    if kind == "hash":
        return lambda v: next(
            (w for c in ("hash", "host-key") if (w := mask.values.word(c, v)) != v and w is not None), None
        )
    return lambda v: mask.values.word(kind, v) if kind in mask.rules else None


def _distinct(shot: Snapshot, text: str, column: str) -> Iterator[str]:
    for batch in shot.sql(text).to_batches(max_chunksize=10_000):
        for value in batch.column(column).to_pylist():
            if value is not None:
                yield value
