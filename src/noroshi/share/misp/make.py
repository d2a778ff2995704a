"""Findings as MISP events: one event per rule and UTC day, the same whenever the findings are.

Nothing is random and no clock is read. Every id is a hash over the recipient's name and what it is given, so that two
recipients' feeds never overwrite each other in a MISP that reads both.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from noroshi.model.finding import Finding
from noroshi.model.tlp import Tlp, strictest
from noroshi.share.misp import types

Thing = dict[str, Any]

NAMESPACE: Final = uuid.UUID("b9a4b0f2-6f0c-5a0e-9d68-4e6f726f7368")
"""UUIDv5 namespace of our events and attributes; never changes."""
TEXT: Final = 4_000
"""Characters of a comment at most."""
_DDOS: Final = {"name": "ddos", "template_uuid": "e2f124d6-f57c-4f93-99e6-8450545fa05d", "template_version": "10",
                "meta-category": "network", "description": "DDoS object describes a current DDoS activity from a"
                " specific or/and to a specific target."}  # fmt: skip
_IP_PORT: Final = {"name": "ip-port", "template_uuid": "9f8cea74-16fe-4968-a2b4-026676949ac6",
                   "template_version": "10", "meta-category": "network", "description": "An IP address (or domain or"
                   " hostname) and a port seen as a tuple (or as a triple) in a specific time frame."}  # fmt: skip
_CVE: Final = re.compile(r"CVE-\d{4}-\d{4,7}")
_MANY: Final = 100
"""Things of one finding that become attributes beside its subject, at most."""


@dataclass(frozen=True)
class Maker:
    """Who makes the feed, and for whom."""

    org: str
    org_uuid: str
    recipient: str

    @classmethod
    def of(cls, org: str, recipient: str) -> Maker:
        """A maker of that name; its id is made of the name."""
        name = clean(org, 200) or "Noroshi"
        return cls(name, str(uuid.uuid5(NAMESPACE, f"org\0{name}")), recipient)

    def uuid(self, *parts: str) -> str:
        """An id for this recipient made of `parts`."""
        return str(uuid.uuid5(NAMESPACE, "\0".join((self.recipient, *parts))))

    @property
    def orgc(self) -> Thing:
        """As events name it."""
        return {"name": self.org, "uuid": self.org_uuid}


@dataclass
class _Value:
    """One value of an event, from all findings of the day that are about it."""

    kind: str
    value: str
    type: str
    findings: list[Finding] = field(default_factory=list)

    @property
    def tlp(self) -> Tlp:
        return strictest(f.tlp for f in self.findings)


def events(findings: Iterable[Finding], maker: Maker) -> Iterator[Thing]:
    """The events of findings, by day and rule."""
    days: dict[tuple[date, str], list[Finding]] = {}
    for finding in findings:
        if finding.subject.kind not in types.NEVER:
            days.setdefault((finding.first_seen.date(), finding.rule.name), []).append(finding)
    for day, rule in sorted(days):
        yield _Event(day, rule, days[day, rule], maker).made()


class _Event:
    def __init__(self, day: date, rule: str, findings: list[Finding], maker: Maker) -> None:
        self.day, self.rule, self.maker = day, rule, maker
        self.uuid = maker.uuid("event", rule, day.isoformat())
        self.findings = findings
        self.kind = min((f.kind for f in findings), key=lambda k: (k not in types.KINDS, k))
        self.values: dict[tuple[str, str], _Value] = {}
        for f in sorted(findings, key=lambda f: (f.first_seen, f.id)):
            kind = f.subject.kind
            value = types.shown(kind, clean(f.subject.value, TEXT))
            type = types.type_of(kind, value, types.words(f.kind).role)
            self.values.setdefault((type, value), _Value(kind, value, type)).findings.append(f)

    def made(self) -> Thing:
        said = types.words(self.kind)
        attributes, objects = [], []
        for key in sorted(self.values):
            one = self.values[key]
            built = self.object(one)
            if built is not None:
                objects.append(built)
            else:
                attributes.append(self.subject(one))
        attributes += self.named()
        stamp = max(seconds(f.modified or f.last_seen) for f in self.findings)
        event = {
            "uuid": self.uuid, "info": f"{said.title} seen on {self.day.isoformat()} ({self.rule})",
            "date": self.day.isoformat(), "threat_level_id": said.threat, "analysis": "2", "timestamp": str(stamp),
            "publish_timestamp": str(stamp), "published": True, "Orgc": self.maker.orgc,
            "Tag": [types.tlp_tag(strictest(f.tlp for f in self.findings)), *types.kind_tags(self.kind)],
            "Attribute": attributes, "Object": objects,
        }  # fmt: skip
        return event

    def subject(self, one: _Value, relation: str = "", around: str = "") -> Thing:
        """The attribute of a value, with what its findings say."""
        first, last = min(f.first_seen for f in one.findings), max(f.last_seen for f in one.findings)
        kinds = sorted({f.kind for f in one.findings})
        out = self.attribute(
            one.type, one.value, one.tlp, one.findings, to_ids=any(types.words(k).to_ids for k in kinds),
            comment="; ".join(dict.fromkeys(said(f) for f in one.findings)), around=around, relation=relation,
        )  # fmt: skip
        confidence = max(f.confidence for f in one.findings)
        out["Tag"] += [types.confidence_tag(confidence), *(t for k in kinds for t in types.kind_tags(k))]
        out |= {"first_seen": stamp(first), "last_seen": stamp(last)}
        out["Sighting"] = [
            {"uuid": self.maker.uuid("sighting", out["uuid"]), "type": "0", "source": self.maker.org,
             "date_sighting": str(seconds(last)), "Organisation": self.maker.orgc}
        ]  # fmt: skip
        return out

    def attribute(
        self, type: str, value: str, tlp: Tlp, findings: list[Finding], *, to_ids: bool = False, comment: str = "",
        around: str = "", relation: str = "",
    ) -> Thing:  # fmt: skip
        """An attribute; around: id of its object."""
        category = types.category_of(type)
        out: Thing = {
            "uuid": self.maker.uuid("attribute", self.uuid, around, relation, type, value), "type": type,
            "category": category, "value": value, "to_ids": to_ids, "comment": clean(comment, TEXT),
            "timestamp": str(max(seconds(f.modified or f.last_seen) for f in findings)), "disable_correlation": False,
            "deleted": False, "Tag": [types.tlp_tag(tlp)],
        }  # fmt: skip
        return out | ({"object_relation": relation} if relation else {})

    def object(self, one: _Value) -> Thing | None:
        """The object of MISP's templates that a value becomes with its evidence; None when it is alone."""
        finding = one.findings[0]
        if one.kind != "ip":
            return None
        if finding.kind in ("dos-victim", "reflection-abuse"):
            return self._made(_DDOS, one, "ip-dst", _attack(one.findings))
        if finding.kind in ("vulnerable-service", "exposed-service") and (ports := _ports(one.findings)):
            return self._made(_IP_PORT, one, "ip", [("dst-port", "port", p) for p in ports])
        return None

    def _made(self, template: Thing, one: _Value, relation: str, more: list[tuple[str, str, str]]) -> Thing:
        around = self.maker.uuid("object", self.uuid, template["name"], one.type, one.value)
        main = self.subject(one, relation, around)
        rest = [
            self.attribute(type, value, one.tlp, one.findings, around=around, relation=name)
            | {"disable_correlation": True}
            for name, type, value in dict.fromkeys(more)
        ]
        keys = ("first_seen", "last_seen", "timestamp")
        return template | {
            "uuid": around, "comment": main["comment"], "deleted": False, "Attribute": [main, *rest],
            "ObjectReference": [], **{k: main[k] for k in keys},
        }  # fmt: skip

    def named(self) -> list[Thing]:
        """Vulnerabilities and files that findings name beside their subject, each once."""
        found: dict[tuple[str, str], list[Finding]] = {}
        for f in self.findings:
            for key in _named(f):
                if key not in self.values:
                    found.setdefault(key, []).append(f)
        out = []
        for (type, value), about in sorted(found.items()):
            subjects = ", ".join(sorted({f.subject.value for f in about})[:10])
            tlp = strictest(f.tlp for f in about)
            out.append(self.attribute(type, value, tlp, about, comment=f"Named by findings about {subjects}"))
        return out


def said(finding: Finding) -> str:
    """The English sentence of a finding, and how sure it is."""
    return finding.summary.get("en") or next(iter(finding.summary.values()), finding.kind)


def _attack(findings: list[Finding]) -> list[tuple[str, str, str]]:
    out: list[tuple[str, str, str]] = []
    first, last = min(f.first_seen for f in findings), max(f.last_seen for f in findings)
    for f in findings:
        e = f.evidence
        for port in _of(e, "ports"):
            protocol, _, number = str(port).partition("/")
            if number.isdigit():
                out.append(("dst-port", "port", number))
                out.append(("protocol", "text", protocol.upper()))
        rate = e.get("rate_pps", e.get("mean_pps"))
        if isinstance(rate, int | float) and not isinstance(rate, bool) and 0 <= rate < 1e15:
            out.append(("total-pps", "integer", str(round(rate))))
        reflected = f.kind == "reflection-abuse"
        out.append(("type", "text", "amplification-attack" if reflected else "flooding-attack"))
    return [
        *out,
        ("first-seen", "datetime", stamp(first)),
        ("last-seen", "datetime", stamp(last)),
    ]


def _ports(findings: list[Finding]) -> list[str]:
    told = [str(p).partition("/")[2] for f in findings for p in _of(f.evidence, "ports")]
    return sorted({p for p in told if p.isdigit() and len(p) < 6}, key=int)


def _named(finding: Finding) -> Iterator[tuple[str, str]]:
    """(type, value) of what a finding's evidence names."""
    for one in _of(finding.evidence, "vulnerabilities")[:_MANY]:
        name = str(one.get("id", "")) if isinstance(one, dict) else str(one)
        if _CVE.fullmatch(name):
            yield "vulnerability", name
    if finding.kind == "decoy-intrusion":
        for url in _of(finding.evidence, "files")[:_MANY]:
            if isinstance(url, str) and re.match(r"(https?|ftp|tftp)://[^\s/]", url[:2000]):
                yield "url", clean(url, 2000)


def _of(evidence: dict[str, Any], name: str) -> list[Any]:
    found = evidence.get(name)
    return found if isinstance(found, list) else []


def seconds(ts: datetime) -> int:
    """Unix time, as MISP's timestamps."""
    return int(ts.timestamp())


def stamp(ts: datetime) -> str:
    """MISP's first_seen and last_seen: ISO 8601 with microseconds and offset."""
    return ts.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")


def clean(text: str, most: int) -> str:
    """Text that may come from an attacker: bounded, without control characters or lone surrogates."""
    return re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", text[:most])
