"""The mask of a profile: what `share.anonymise.mask.Mask` promises, for one recipient and one epoch."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from noroshi.share.anonymise import findings, objects, tables
from noroshi.share.anonymise.classes import VICTIM_ROLES
from noroshi.share.anonymise.mask import Mask, Plain
from noroshi.share.anonymise.scrub import Scrubber
from noroshi.share.anonymise.site import Site
from noroshi.share.anonymise.values import Values

if TYPE_CHECKING:
    import pyarrow as pa

    from noroshi.keys import Keys
    from noroshi.model.finding import Finding
    from noroshi.share.profile import Profile


KEPT, MASKS = 10_000, 4
"""Findings of one mask, and masks, whose answers are kept for the next export of this process: about 4 kB a finding."""
Held = dict[str, tuple["Finding", bytes, "Finding"]]
_HELD: OrderedDict[str, Held] = OrderedDict()
_LOCK = threading.Lock()


def held(*parts: object) -> Held:
    """What masks of the same rules, keys and site have said of findings, by id; of the MASKS last used."""
    key = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
    with _LOCK:
        found = _HELD.setdefault(key, {})
        _HELD.move_to_end(key)
        while len(_HELD) > MASKS:
            _HELD.popitem(last=False)
    return found


def _exactly(finding: Finding) -> bytes:
    """What equal findings may differ in: 1, 1.0 and True are equal and are written differently. Empty when it has
    something that cannot be told so."""
    try:
        return msgspec.msgpack.encode((finding.summary, finding.evidence))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return b""


class Masking:
    """Changes values as a profile says. Safe to share between threads; the same input gives the same answer."""

    def __init__(
        self, profile: Profile, site: Site, key: Callable[[str], bytes], names_key: bytes,
        known: Callable[[], Iterable[tuple[str, str, str]]] | None = None,
    ) -> None:  # fmt: skip
        """key: 32 bytes for a purpose in this epoch; names_key: for ids, over all epochs.

        known: (id, kind, value) of the observables that imported objects name by an id made from the value, as the
        recipient sees them: those of hidden values are remade wherever they stand.
        """
        self.profile = profile.name
        self.rules = profile.rules
        self.values = Values(profile, site, key)
        said = (
            {s: self.values.word("sensor", s) or "[sensor]" for s in site.sensors}
            if self.hides("sensor")
            else {}
        )
        words = dict.fromkeys(site.words, "[hidden]")
        self.scrubber = Scrubber(self.values, {**said, **words})
        self.suppressed: Counter[str] = Counter()
        """Rows and findings held back by k-minimum or because what they are about is dropped, by table or kind: for
        the operator and the audit log, never exported."""
        self.names_key = names_key
        self.epoch_key = key("ids")
        self._held = held(
            sorted((k, str(r)) for k, r in profile.rules.items()), site, names_key, self.epoch_key
        )
        self.ids = objects.HiddenIds(self, known)

    def hides(self, field: str) -> bool:
        """True when values of that class do not stay as they are."""
        return self.rules[field].do != "keep"

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        """An observable as the recipient sees it; a truncated address is a network. None when it is dropped."""
        return self.scrubber.of_kind(kind, value, role, victim=role in VICTIM_ROLES)

    def text(self, text: str) -> str | None:
        """Free text without what is hidden; None when the profile drops free text."""
        return None if self.hides("free-text") else self.scrubber.text(text)

    def table(self, name: str, rows: pa.Table) -> pa.Table:
        """Rows masked, with the same columns: dropped values are null, rows below a k-minimum are left out.

        The victim's role stands in another column for `flows.src_ip` (class), `events.ip` (type), `links` and
        `indicators` (role); without it every address of that column counts as a victim's.
        """
        return tables.masked(self, name, rows)

    def finding(self, finding: Finding) -> Finding | None:
        """The finding masked; None when its subject is dropped or may only leave among others (k-minimum).

        Kept for the next export: a recipient is given mostly what it was given before, and masking one costs as much
        as writing ten. Only the very same finding is answered from there, evidence and all.
        """
        words = _exactly(finding)
        known = self._held.get(finding.id)
        if known is not None and known[1] == words and known[0] == finding:
            return finding if known[2] is known[0] else known[2]
        made = findings.masked(self, finding)
        # What was looked at first stays: a list longer than KEPT would push itself out otherwise.
        if made is not None and words and (known is not None or len(self._held) < KEPT):
            self._held[finding.id] = (finding, words, made)
        return made

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        """An object of STIX or MISP with every text in it masked; itself when nothing is."""
        return objects.masked(self, thing)


def masker(
    profile: Profile, *, keys: Callable[[], Keys], recipient: str, site: Site, now: datetime,
    known: Callable[[], Iterable[tuple[str, str, str]]] | None = None, epoch: str = "",
) -> Mask:  # fmt: skip
    """The mask of a profile for one recipient: `Plain` when the profile keeps everything.

    keys: loads the site's keys, called only when they are needed. epoch: another than that of `now`.
    known: see Masking.
    """
    if profile.plain:
        return Plain()
    derive = keys().derive
    return Masking(
        profile, site, lambda purpose: derive(purpose_of(recipient, purpose, epoch or profile.at(now))),
        derive(purpose_of(recipient, "ids", "always")), known,
    )  # fmt: skip


def purpose_of(recipient: str, purpose: str, epoch: str) -> str:
    """What a key is derived for (`keys.Keys.derive`): no two recipients, purposes or epochs share one."""
    return f"anonymise {recipient} {purpose} {epoch}"
