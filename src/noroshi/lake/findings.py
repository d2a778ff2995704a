"""Findings stored as revisions: new, changed, withdrawn, or nothing at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from noroshi.lake.delta import CLOSE, Mutex
from noroshi.lake.errors import Conflict, telling
from noroshi.lake.files import write_rows
from noroshi.lake.shape import after, completed
from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding, Rule, Subject
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

if TYPE_CHECKING:
    from noroshi.lake.handle import Lake
    from noroshi.lake.snapshot import Snapshot

_TABLE = TABLES["findings"]
Key = tuple[str, Tlp]
Scope = tuple[str, str, date]


def put(lake: Lake, findings: Sequence[Finding], judged: Iterable[Scope]) -> list[tuple[Finding, str]]:
    """Stores new revisions in one commit; see Lake.put_findings."""
    scopes = set(judged)
    given = {(f.id, f.tlp): f for f in findings}
    while True:
        mutex = lake.stores["findings"].mutex(CLOSE)
        stored = _newest(lake, {f.id for f in findings}, scopes)
        told = _compared(given, stored, scopes)
        if not told:
            return []
        try:
            _append(lake, told, mutex)
        except Conflict:
            continue
        return told


def lower(lake: Lake, finding: Finding, tlp: Tlp) -> Finding:
    """Stores what a finding says now at a less strict marking beside it; see `Lake.lower_finding`."""
    while True:
        mutex = lake.stores["findings"].mutex(CLOSE)
        stored = _newest(lake, {finding.id}, set())
        whole, was = stored.get((finding.id, finding.tlp)), stored.get((finding.id, tlp))
        if whole is None or whole.withdrawn:
            raise UsageError(f"the finding {finding.id} no longer holds", todo="Run `noroshi findings`.")
        told = replace(whole.finding, tlp=tlp, modified=after(was.finding.modified if was else None))
        try:
            _append(lake, [(told, "new")], mutex, lowered_from=finding.tlp)
        except Conflict:
            continue
        return told


@dataclass(frozen=True)
class _Stored:
    """The newest revision of a finding at a marking."""

    finding: Finding
    withdrawn: bool
    lowered_from: Tlp | None


def _compared(
    given: dict[Key, Finding], stored: dict[Key, _Stored], scopes: set[Scope]
) -> list[tuple[Finding, str]]:
    """What has to be stored, with `modified` set."""
    told = []
    held = {key for key, s in stored.items() if _stays_lowered(key, s, given, stored, scopes)}
    for key, finding in given.items():
        if key in held:
            continue
        old = stored.get(key)
        if old is not None and not old.withdrawn and _content(old.finding) == _content(finding):
            continue
        what = "new" if old is None or old.withdrawn else "changed"
        told.append((replace(finding, modified=after(old.finding.modified if old else None)), what))
    for key, one in stored.items():
        if key not in given and key not in held and not one.withdrawn and _within(one.finding, scopes):
            told.append((replace(one.finding, modified=after(one.finding.modified)), "withdrawn"))
    return told


def _stays_lowered(
    key: Key, one: _Stored, given: dict[Key, Finding], stored: dict[Key, _Stored], scopes: set[Scope]
) -> bool:
    """True for what an originator lowered, as long as the finding it was lowered from holds: what is judged later
    changes that one, and reaches others only when somebody lowers it again."""
    if one.lowered_from is None or one.withdrawn:
        return False
    above = (key[0], one.lowered_from)
    if above in given:
        return True
    whole = stored.get(above)
    return whole is not None and not whole.withdrawn and not _within(whole.finding, scopes)


def _within(finding: Finding, scopes: set[Scope]) -> bool:
    """True when the finding's day was judged, or its rule without regard to days (`date.min`)."""
    rule, scope = finding.rule.name, finding.scope
    return (rule, scope, finding.first_seen.date()) in scopes or (rule, scope, date.min) in scopes


def _content(finding: Finding) -> str:
    """Everything a reader would call the finding: all but when it was stored and from which runs."""
    shown = finding.to_json()
    return json.dumps({k: v for k, v in shown.items() if k not in ("modified", "runs")}, sort_keys=True)


def _append(
    lake: Lake, told: Sequence[tuple[Finding, str]], mutex: Mutex, lowered_from: Tlp | None = None
) -> None:
    lowered = {"lowered_from": lowered_from.value if lowered_from else None}
    rows = pa.Table.from_pylist(
        [_row(f, what == "withdrawn") | lowered for f, what in told], schema=_TABLE.arrow()
    )
    store = lake.stores["findings"]
    with telling(store.root):
        written = write_rows(lake.path, _TABLE, rows, f"f-{uuid.uuid4().hex}")
    try:
        store.commit([written], mutex=mutex)
    except BaseException:
        store.discard([written])
        raise


def _row(finding: Finding, withdrawn: bool) -> dict[str, Any]:
    return {
        "id": finding.id, "kind": finding.kind, "subject_kind": finding.subject.kind,
        "subject_value": finding.subject.value, "first_seen": finding.first_seen,
        "last_seen": finding.last_seen, "modified": finding.modified, "withdrawn": withdrawn,
        "confidence": finding.confidence, "tlp": finding.tlp.value, "scope": finding.scope,
        "summary": json.dumps(finding.summary, ensure_ascii=False, sort_keys=True),
        "rule_name": finding.rule.name, "rule_version": finding.rule.version,
        "evidence": json.dumps(finding.evidence, ensure_ascii=False, sort_keys=True),
        "runs": sorted(finding.runs),
    }  # fmt: skip


def from_row(row: dict[str, Any]) -> Finding:
    """A finding from a row of `findings`."""
    return Finding(
        kind=row["kind"], subject=Subject(row["subject_kind"], row["subject_value"]),
        rule=Rule(row["rule_name"], row["rule_version"]), first_seen=_utc(row["first_seen"]),
        last_seen=_utc(row["last_seen"]), modified=_utc(row["modified"]), confidence=row["confidence"],
        summary=json.loads(row["summary"]), evidence=json.loads(row["evidence"]), scope=row["scope"],
        tlp=Tlp(row["tlp"]), runs=tuple(row["runs"]), id=row["id"],
    )  # fmt: skip


def _utc(ts: datetime) -> datetime:
    return ts.astimezone(UTC)


def _newest(lake: Lake, ids: set[str], scopes: set[Scope]) -> dict[Key, _Stored]:
    """Newest revisions by (id, tlp): those of `ids` and those a scope may withdraw."""
    rows = _all(lake)
    if not rows.num_rows:
        return {}
    rules = pa.array(sorted({s[0] for s in scopes}), pa.string())
    asked = pc.or_(
        pc.is_in(rows["id"], pa.array(sorted(ids), pa.string())), pc.is_in(rows["rule_name"], rules)
    )
    out: dict[Key, dict[str, Any]] = {}
    for row in rows.filter(asked).sort_by("modified").to_pylist():
        out[row["id"], Tlp(row["tlp"])] = row
    return {
        key: _Stored(
            from_row(row), row["withdrawn"], Tlp(row["lowered_from"]) if row["lowered_from"] else None
        )
        for key, row in out.items()
        if row["id"] in ids or _within(from_row(row), scopes)
    }


def _all(lake: Lake) -> pa.Table:
    """Every revision stored."""
    store = lake.stores["findings"]
    parts = [_TABLE.arrow().empty_table()]
    for file in store.files():
        with telling(store.root / file.path):
            parts.append(completed(pq.read_table(store.root / file.path, partitioning=None), _TABLE.arrow()))
    return pa.concat_tables(parts)


def select(
    lake: Lake, kind: str | None, since: datetime | None, subject: str | None, tlp: Tlp | None
) -> list[Finding]:
    """See Lake.findings."""
    asked = {"kind": kind, "since": since, "subject": subject}
    rows = lake.snapshot().restricted(tlp=tlp).sql(
        "SELECT * FROM findings WHERE ($kind IS NULL OR kind = $kind)"
        " AND ($since IS NULL OR last_seen >= $since::TIMESTAMPTZ)"
        " AND ($subject IS NULL OR subject_value = $subject) ORDER BY last_seen, id, tlp",
        asked,
    )  # fmt: skip
    return [from_row(row) for row in rows.to_pylist()]


def standing(shot: Snapshot) -> list[Finding]:
    """The findings that hold and that a snapshot may see, of one id the view that may tell the most; in no order."""
    best: dict[str, Finding] = {}
    for row in shot.sql("SELECT * FROM findings").to_pylist():
        finding = from_row(row)
        if finding.id not in best or finding.tlp.rank > best[finding.id].tlp.rank:
            best[finding.id] = finding
    return list(best.values())
