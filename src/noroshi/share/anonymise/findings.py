"""Findings masked: subject, evidence, summary, scope and times, and a new id where it could tell what was there."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, Subject
from noroshi.share.anonymise.classes import EVIDENCE, VICTIM_KINDS

if TYPE_CHECKING:
    from noroshi.share.anonymise.masking import Masking

_WORDLIKE: Final = re.compile(r"[A-Za-z0-9.:\-_]")
_GOES_ON: Final = re.compile(r"[A-Za-z0-9/\-_]|[.:][0-9A-Za-z]")
DEEPEST: Final = 32
"""Levels of evidence that are looked at; what lies deeper is left out."""
_PORTS: Final = frozenset(("port", "ports", "src_port", "dst_port", "src_ports", "dst_ports"))
_TIME: Final = re.compile(
    r"(?<![0-9])([12][0-9]{3}-[01][0-9]-[0-3][0-9])([T ])([0-2][0-9]):([0-5][0-9])(:[0-5][0-9](?:\.[0-9]{1,9})?)?"
)
_PORT_TEXT: Final = re.compile(r"((?:tcp|udp|sctp)/)([0-9]{1,5})")


def masked(mask: Masking, finding: Finding) -> Finding | None:
    """The finding as the recipient sees it; None when it may not leave. Itself when nothing changes."""
    victim = finding.kind in VICTIM_KINDS
    own = finding.evidence.get("own") is True
    subject = _subject(mask, finding.subject, victim=victim, own=own)
    if subject is None:
        mask.suppressed[finding.kind] += 1
        return None
    changed: dict[str, str] = {}
    if subject != finding.subject:
        changed[finding.subject.value] = subject.value
    scope = finding.scope and (mask.values.word("sensor", finding.scope) or "")
    if scope != finding.scope:
        changed[finding.scope] = scope or "[sensor]"
    evidence = Evidence(mask, changed).masked(finding.evidence)
    first, last = _time(mask, finding.first_seen), _time(mask, finding.last_seen)
    runs = () if mask.hides("record-id") else finding.runs
    open_ = (subject.value, scope) if scope else (subject.value,)
    summary = {k: said(mask, v, changed, open_) for k, v in finding.summary.items()}
    parts = (subject, scope, evidence, first, last, runs, summary)
    if parts == (finding.subject, finding.scope, finding.evidence, finding.first_seen, finding.last_seen,
                 finding.runs, finding.summary):  # fmt: skip
        return finding
    id_ = finding.id
    if subject != finding.subject:
        id_ = keyed_id(mask.epoch_key, id_)
    elif scope != finding.scope or first != finding.first_seen:
        id_ = keyed_id(mask.names_key, id_)  # what it is about is in the open: the epoch hides nothing
    return replace(
        finding, subject=subject, scope=scope, evidence=evidence, first_seen=first, last_seen=last, runs=runs,
        summary=summary, id=id_,
    )  # fmt: skip


def keyed_id(key: bytes, id_: str) -> str:
    """A UUID that only the key's holder can connect with `id_`: an IPv4 address is found from a hash by trying all."""
    raw = bytearray(hmac.new(key, id_.encode(errors="surrogatepass"), hashlib.sha256).digest()[:16])
    # Version 5, as name-based ids have it in STIX; version 8 is refused by its validators.
    raw[6], raw[8] = raw[6] & 0x0F | 0x50, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def _subject(mask: Masking, subject: Subject, *, victim: bool, own: bool) -> Subject | None:
    kind, value = subject.kind, subject.value
    if kind in ("ip", "prefix"):
        judge = mask.values.ip if kind == "ip" else mask.values.prefix
        new = judge(value, victim=victim, own=own)
        if new is None or _alone(mask, kind, value, victim=victim, own=own):
            return None
        return Subject("prefix" if "/" in new else "ip", new)
    if kind == "port":  # a port is the news itself there, and stands for nobody
        return subject
    masked_ = mask.value(kind, value)
    return None if masked_ is None else Subject(kind, masked_)


def _alone(mask: Masking, kind: str, value: str, *, victim: bool, own: bool) -> bool:
    """True when the class of the subject may only leave among k: a finding stands for one."""
    from noroshi.model import address

    if all(rule.k < 2 for rule in mask.rules.values()):
        return False
    low, _ = address.prefix_range(value)
    return mask.rules[mask.values.field_of(low, victim=victim, own=own)].k > 1


def _time(mask: Masking, ts: datetime) -> datetime:
    rule = mask.rules["time"]
    if rule.do == "keep":
        return ts
    hour = ts.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour.replace(hour=0) if rule.to == "day" else hour


def times(mask: Masking, text: str) -> str:
    """`text` with the times of day in it generalised as the profile says."""
    rule = mask.rules["time"]
    if rule.do == "keep":
        return text

    def coarser(found: re.Match[str]) -> str:
        hour = "00" if rule.to == "day" else found[3]
        seconds = ":00" if found[5] else ""
        return f"{found[1]}{found[2]}{hour}:00{seconds}"

    return _TIME.sub(coarser, text)


def said(mask: Masking, text: str, changed: dict[str, str], open_: tuple[str, ...] = ()) -> str:
    """A sentence of ours: first what was masked elsewhere in the finding, the longest first, then what a text hides.
    open_: values in it that stay, or are masked already."""
    for old in sorted(changed, key=len, reverse=True):
        text = _instead(text, old, changed[old])
    if not open_:
        return times(mask, mask.scrubber.text(text))
    clear = text
    for known in open_:  # what stays is known: most sentences hold nothing else that is worth a look
        clear = _instead(clear, known, " ")
    return times(mask, text if mask.scrubber.clean(clear) else mask.scrubber.text(text))


def _instead(text: str, old: str, new: str) -> str:
    """`text` with `new` for `old` wherever it stands as a whole: 192.0.2.1 does not in 192.0.2.10."""
    at = text.find(old)
    if at < 0 or not old:
        return text
    out: list[str] = []
    done = 0
    while at >= 0:
        end = at + len(old)
        before, after = text[at - 1 : at], text[end : end + 2]
        whole = not _WORDLIKE.match(before) and not _GOES_ON.match(after)
        out += (text[done:at], new if whole else old)
        done = end
        at = text.find(old, end)
    return "".join((*out, text[done:]))


class Evidence:
    """Masks evidence; remembers which strings became what, for the summary."""

    def __init__(self, mask: Masking, changed: dict[str, str]) -> None:
        self.mask, self.changed = mask, changed

    def masked(self, evidence: dict[str, Any]) -> dict[str, Any]:
        """The evidence as the recipient sees it."""
        new = self._any(evidence, "", 0)
        return new if isinstance(new, dict) else {}

    def _any(self, thing: Any, key: str, depth: int) -> Any:
        if depth > DEEPEST:
            return None
        if isinstance(thing, dict):
            return self._object(thing, depth)
        if isinstance(thing, list | tuple):
            new = [self._any(x, key, depth + 1) for x in thing]
            return [n for n, x in zip(new, thing, strict=True) if n is not None or x is None]
        if isinstance(thing, str):
            return self._text(thing, key)
        if isinstance(thing, bool) or thing is None:
            return thing
        return self._number(thing, key)

    def _object(self, thing: dict[str, Any], depth: int) -> dict[str, Any]:
        out = {}
        pair = thing.get("kind"), thing.get("value")
        for key, value in thing.items():
            name = self.mask.scrubber.text(str(key))
            if key == "value" and isinstance(pair[0], str) and isinstance(pair[1], str):
                out[name] = self._pair(pair[0], pair[1])
            else:
                out[name] = self._any(value, str(key), depth + 1)
                if out[name] is None and value is not None and isinstance(value, str):
                    out[name] = ""
        return out

    def _pair(self, kind: str, value: str) -> str:
        new = self.mask.value(kind, value)
        if new != value:
            self.changed.setdefault(value, new or f"[{kind}]")
        return new or ""

    def _text(self, text: str, key: str) -> str | None:
        mask, field = self.mask, EVIDENCE.get(key)
        if field is None:
            new = said(mask, text, self.changed)
            return _port_text(new) if mask.hides("port") and key in _PORTS else new
        if field in ("free-text", "payload"):
            return None if mask.hides(field) else mask.scrubber.text(text, dense=field == "payload")
        word = mask.values.email(text) if field == "e-mail" else mask.values.word(field, text)
        if word != text and text:
            self.changed.setdefault(text, word or f"[{field}]")
        return mask.scrubber.text(word) if word == text else word

    def _number(self, number: Any, key: str) -> Any:
        mask = self.mask
        if EVIDENCE.get(key) in ("packet-number", "record-id") and mask.hides(EVIDENCE[key]):
            return None
        if key in _PORTS and mask.hides("port") and isinstance(number, int):
            return port_class(number)
        # An address as a number, under a key that says so.
        if isinstance(number, int) and re.search(
            r"(?:^|_)(?:ip|ips|addr|address|addresses|victim|host)$", key
        ):
            text = str(number)
            return number if mask.scrubber.text(text) == text else None
        return number


def port_class(port: int) -> int:
    """The first port of the class (RFC 6335): 0 system, 1024 user, 49152 dynamic."""
    return 0 if port < 1024 else 1024 if port < 49152 else 49152


def _port_text(text: str) -> str:
    names = {0: "0-1023", 1024: "1024-49151", 49152: "49152-65535"}
    return _PORT_TEXT.sub(lambda m: m[1] + names[port_class(int(m[2]))], text)


def from_row(row: dict[str, Any]) -> Finding | None:
    """The finding of a row of `findings`; None when the row is none (cut JSON, wrong types)."""
    import msgspec

    from noroshi.model.finding import Rule
    from noroshi.model.tlp import parse

    try:
        return Finding(
            row["kind"], Subject(row["subject_kind"], row["subject_value"]),
            Rule(row["rule_name"], row["rule_version"]), row["first_seen"].astimezone(UTC),
            row["last_seen"].astimezone(UTC), row["confidence"],
            msgspec.json.decode(row["summary"], type=dict[str, str]),
            msgspec.json.decode(row["evidence"], type=dict[str, Any]), row["scope"], True, parse(row["tlp"]),
            tuple(row["runs"] or ()), row["modified"], row["id"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, UsageError, msgspec.DecodeError):
        return None


def to_row(finding: Finding, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what the masked finding says."""
    import msgspec

    new = {
        "id": finding.id, "subject_kind": finding.subject.kind, "subject_value": finding.subject.value,
        "first_seen": finding.first_seen, "last_seen": finding.last_seen, "scope": finding.scope,
        "summary": msgspec.json.encode(finding.summary).decode(),
        "evidence": msgspec.json.encode(finding.evidence).decode(), "runs": list(finding.runs),
    }  # fmt: skip
    return {k: new.get(k, v) for k, v in row.items()}
