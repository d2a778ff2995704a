"""Rows of the lake masked, column by column; each distinct value once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from noroshi.model import address
from noroshi.model.observable import CANONICAL, key64, typed
from noroshi.share.anonymise import findings, objects
from noroshi.share.anonymise.classes import (
    ASIDE,
    VICTIM_CLASSES,
    VICTIM_COLUMNS,
    VICTIM_KINDS,
    VICTIM_ROLES,
    VICTIM_TYPES,
    column_class,
)  # fmt: skip

if TYPE_CHECKING:
    from noroshi.share.anonymise.masking import Masking

    Column = Any  # an array or a chunked one
_VICTIMS = {
    ("flows", "src_ip"): VICTIM_CLASSES,
    ("events", "ip"): VICTIM_TYPES,
    ("links", "value"): VICTIM_ROLES,
    ("indicators", "value"): VICTIM_ROLES,
    ("indicators", "raw"): VICTIM_ROLES,
    ("verdicts", "subject"): VICTIM_KINDS,
}


def masked(mask: Masking, table: str, rows: pa.Table) -> pa.Table:
    """`rows` of the lake's `table` masked; the same columns, but nullable."""
    out = rows
    if table == "findings":
        out = _findings(mask, rows)
    else:
        for at, name in enumerate(rows.column_names):
            new = _column(mask, table, name, rows)
            if new is not rows.column(at):
                out = out.set_column(at, pa.field(name, rows.schema.field(at).type, True), new)
    return _minimum(mask, table, out)


def _column(mask: Masking, table: str, name: str, rows: pa.Table) -> Column:
    column, field = rows.column(name), column_class(table, name)
    type_ = column.type
    if name == "day" and field is None:
        field = "time"
    if field is None:  # nobody said what it is: fail closed
        return pa.nulls(len(column), type_)
    victim = _victims(table, name, rows)
    if pa.types.is_binary(type_) or pa.types.is_large_binary(type_):
        return _addresses(mask, column, victim, own=field == "own-address")
    if field == "link-key":
        return _keys(mask, table, rows)
    if field in ("value", "typed", "host", "url", "e-mail", "object-id", "address"):
        return _observables(mask, table, name, field, rows, victim)
    if field == "time":
        return _times(mask, column)
    if not (pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_list(type_)):
        if field == "port" and mask.rules["port"].do == "generalise":
            return _mapped(column, lambda n: findings.port_class(n) if n >= 0 else n)
        return (
            column
            if not mask.hides(field) or mask.rules[field].do == "k-minimum"
            else pa.nulls(len(column), type_)
        )
    return _mapped(column, _texts(mask, table, name, field))


def _texts(mask: Masking, table: str, name: str, field: str) -> Callable[[str], str | None]:
    """What happens to each text of a column of that class."""
    if name == "json":
        return lambda text: objects.masked_json(mask, text)
    dense = field == "payload" or name == "sample"
    scrub = mask.scrubber.text
    if field == "time":
        return lambda text: findings.times(mask, text)
    if mask.hides(field) and mask.rules[field].do != "k-minimum":
        return lambda text: mask.values.word(field, text) if text else text
    if dense:
        return lambda text: scrub(text, dense=True)
    return scrub


def _victims(table: str, name: str, rows: pa.Table) -> Sequence[bool] | bool:
    """Whether the address of each row is a victim's; one answer for all where the column says it."""
    if (table, name) in VICTIM_COLUMNS:
        return True
    aside = ASIDE.get((table, name))
    if aside is None:
        return False
    if aside not in rows.column_names:
        return True
    words = _VICTIMS[table, name]
    return [str(v).lower() in words for v in rows.column(aside).to_pylist()]


def _addresses(mask: Masking, column: Column, victim: Sequence[bool] | bool, *, own: bool) -> Column:
    """Stored addresses masked, those of victims as such."""
    if isinstance(victim, bool):
        return _by_value(column, lambda values: mask.values.addresses(values, victim=victim, own=own))
    flags = pa.array(victim, pa.bool_())
    plain = _by_value(column, lambda values: mask.values.addresses(values, own=own))
    if not any(victim):
        return plain
    return pc.if_else(
        flags, _by_value(column, lambda v: mask.values.addresses(v, victim=True, own=own)), plain
    )


def _by_value(column: Column, masks: Callable[[list[bytes]], list[bytes | None]]) -> Column:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = whole.dictionary_encode()
    known: Any = coded.dictionary.to_pylist()
    good = [v for v in known if address.is_packed(v)]
    said = dict(zip(good, masks(good), strict=True))
    return pa.array([said.get(v) for v in known], column.type).take(coded.indices)


def _mapped(column: Column, change: Callable[[Any], Any]) -> Column:
    """Each distinct value changed once; of lists each text, and those dropped left out."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_list(whole.type):
        seen: dict[str, str | None] = {}
        lists = []
        for one in whole.to_pylist():
            for value in one or ():
                if value is not None and value not in seen:
                    seen[value] = change(value)
            lists.append(
                None if one is None else [seen[v] for v in one if v is not None and seen[v] is not None]
            )
        return pa.array(lists, whole.type)
    coded = whole.dictionary_encode()
    known = coded.dictionary.to_pylist()
    new = [change(v) for v in known]
    return column if new == known else pa.array(new, whole.type).take(coded.indices)


def _observables(
    mask: Masking, table: str, name: str, field: str, rows: pa.Table, victim: Sequence[bool] | bool
) -> Column:
    """Texts that are values of a kind: each judged by the kind, and the role where there is one."""
    column = rows.column(name)
    if field == "value":
        return _values(mask, table, name, rows, victim)
    if field == "typed" and victim is not False:
        flags = [victim] * len(column) if isinstance(victim, bool) else victim
        texts: Any = column.to_pylist()
        return pa.array(
            [t and _typed(mask, t, victim=v) for t, v in zip(texts, flags, strict=True)], column.type
        )
    if field == "typed":
        return _mapped(column, lambda text: _typed(mask, text))
    if field == "object-id":
        return _mapped(column, lambda text: mask.ids.text(mask.scrubber.text(text)))
    kinds = {"url": "url", "e-mail": "email", "address": "prefix"}
    one_victim = victim is True
    return _mapped(column, lambda text: one(mask, kinds.get(field, "host"), text, victim=one_victim))


def one(mask: Masking, kind: str, text: str, *, victim: bool = False) -> str | None:
    """A value as a column holds it, canonical or as a sensor left it, masked."""
    from noroshi.model.observable import resolve_one

    found = resolve_one(kind, text)
    if found is None:
        return mask.scrubber.text(text)
    masked_ = mask.scrubber.of_kind(*found, victim=victim)
    return text if masked_ == found[1] else masked_


def _typed(mask: Masking, text: str, *, victim: bool = False) -> str | None:
    kind, _, value = text.partition(" ")
    if kind not in CANONICAL:
        return mask.scrubber.text(text)
    new = mask.scrubber.of_kind(kind, value, victim=victim)
    if new is None:
        return None
    return typed("prefix" if kind == "ip" and "/" in new else kind, new)


def _values(mask: Masking, table: str, name: str, rows: pa.Table, victim: Sequence[bool] | bool) -> Column:
    values = rows.column(name).to_pylist()
    kinds = rows.column("kind").to_pylist() if "kind" in rows.column_names else None
    flags = [victim] * len(values) if isinstance(victim, bool) else victim
    canonical = rows.column("value").to_pylist() if name == "raw" and "value" in rows.column_names else None
    seen: dict[tuple[str, str, bool], str | None] = {}
    out: list[str | None] = []
    for at, value in enumerate(values):
        if value is None:
            out.append(None)
            continue
        kind = str(kinds[at]) if kinds else ""
        if name == "raw":  # as it was written, in whatever way: only beside a value that stays
            beside = canonical[at] if canonical and kinds else None
            stays = beside is not None and _value(mask, kind, beside, flags[at]) == beside
            out.append(mask.scrubber.text(value) if stays else None)
            continue
        asked = kind, value, flags[at]
        if asked not in seen:
            seen[asked] = _value(mask, *asked)
        out.append(seen[asked])
    return pa.array(out, rows.column(name).type)


def _value(mask: Masking, kind: str, value: str, victim: bool) -> str | None:
    if kind in CANONICAL:
        return mask.scrubber.of_kind(kind, value, victim=victim)
    if kind in ("person", "target-user"):
        return mask.values.word("person", value)
    return mask.scrubber.text(value)


def _keys(mask: Masking, table: str, rows: pa.Table) -> Column:
    """Keys of links made again from the masked value: the key of an address is the address."""
    column = rows.column("key")
    if not {"kind", "value"} <= set(rows.column_names):
        return pa.nulls(len(column), column.type)
    before: Any = rows.column("value").to_pylist()
    after: Any = _values(mask, table, "value", rows, _victims(table, "value", rows)).to_pylist()
    kinds: Any = rows.column("kind").to_pylist()
    keys: Any = column.to_pylist()
    return pa.array(
        [k if old == new else None if new is None else key64("prefix" if "/" in new and kind == "ip" else kind, new)
         for kind, old, new, k in zip(kinds, before, after, keys, strict=True)], column.type,
    )  # fmt: skip


def _times(mask: Masking, column: Column) -> Column:
    rule = mask.rules["time"]
    if rule.do == "keep" or not pa.types.is_timestamp(column.type):
        return column
    return pc.floor_temporal(column, unit=rule.to)


def _findings(mask: Masking, rows: pa.Table) -> pa.Table:
    """Rows of `findings` masked as findings are; those that may not leave are left out. Without all columns, the
    ones that could tell are null."""
    from noroshi.model.tables import TABLES

    schema = pa.schema([f.with_nullable(True) for f in rows.schema])
    if not {c.name for c in TABLES["findings"].columns} - {"withdrawn"} <= set(rows.column_names):
        told = {"id", "subject_value", "summary", "scope", "evidence", "runs", "first_seen", "last_seen"}
        return pa.table(
            [pa.nulls(rows.num_rows, f.type) if f.name in told else rows.column(f.name) for f in schema],
            schema=schema,
        )
    out = []
    for row in rows.to_pylist():
        found = findings.from_row(row)
        new = found and findings.masked(mask, found)
        if new is not None:
            out.append(findings.to_row(new, row))
    return pa.Table.from_pylist(out, schema=schema)


def _minimum(mask: Masking, table: str, rows: pa.Table) -> pa.Table:
    """Rows whose group has at least k members: the group is what the quasi-identifying columns hold after masking."""
    group, least = [], 0
    for name in rows.column_names:
        classes = _classes_of(table, name)
        k = max((mask.rules[c].k for c in classes), default=0)
        if k > 1 and not pa.types.is_list(rows.schema.field(name).type):
            group.append(name)
            least = max(least, k)
    if not group or not rows.num_rows:
        return rows
    counted = rows.select(group).append_column("__one", pa.array([1] * rows.num_rows, pa.int64()))
    sums = counted.group_by(group, use_threads=False).aggregate([("__one", "sum")])
    big = {tuple(r[g] for g in group) for r in sums.to_pylist() if r["__one_sum"] >= least}
    keep = [tuple(r[g] for g in group) in big for r in rows.select(group).to_pylist()]
    mask.suppressed[table] += keep.count(False)
    return rows.filter(pa.array(keep, pa.bool_()))


def _classes_of(table: str, name: str) -> tuple[str, ...]:
    """The classes of field that may stand in a column."""
    from noroshi.share.anonymise.classes import ADDRESSES

    field = column_class(table, name)
    if field == "address":
        return ADDRESSES
    if field == "host":
        return ("own-domain", "other-domain", *ADDRESSES)
    if field is None or field in ("value", "typed", "object-id", "finding-id", "link-key"):
        return ()
    return (field,)
