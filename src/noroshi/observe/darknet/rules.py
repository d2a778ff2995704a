"""The fingerprints of scanning tools: versioned data, read into the arrays that `tagging` applies."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


CLASSES = ("other", "scan", "backscatter", "misconfiguration", "spoofed")
_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}
ANY = -2
"""A condition that is not set."""

# Lines of the condition table, one column a rule.
(
    PROTO, TTL_MIN, TTL_MAX, IP_ID, NOT_IP_ID, DF, MSS, SEQ_IS_DST, MASSCAN, SEQ_LOW_ZERO, ACK_ZERO, ICMP_TYPE,
    FLAG_SET, OPTION_SET, WINDOW_SET, PORT_SET, SPOOFED,
) = range(17)  # fmt: skip
CONDITIONS = 17

GROUPS = 4
"""TCP SYN, other TCP, UDP, ICMP: a row is held against the rules of its own group only."""


@dataclass(frozen=True)
class Rule:
    """One fingerprint as people read it."""

    name: str
    doc: str
    source: str
    status: str
    conditions: dict[str, Any]


@dataclass(frozen=True)
class RuleSet:
    """All fingerprints of one version."""

    version: int
    rules: tuple[Rule, ...]
    table: npt.NDArray[np.int64]
    """CONDITIONS x rules, sorted into GROUPS; the order within a group is that of the file."""
    starts: npt.NDArray[np.int64]
    """Where each group begins in the table, and where the last one ends."""
    codes: npt.NDArray[np.int64]
    """Code of the tool by column of the table."""
    sets: npt.NDArray[np.int64]
    """Members of all sets, each set ended by -9; a condition holds where its set begins."""
    options: tuple[str, ...]
    """Option forms the rules name; `*` stands for any window scale."""

    @property
    def names(self) -> tuple[str, ...]:
        """Tool names by code: code 0 is no tool."""
        return ("", *(r.name for r in self.rules))

    def option_form(self, text: str) -> int:
        """Code of an options text: the position of the form it takes in `options`, or -1."""
        if text in self.options:
            return self.options.index(text)
        general = ",".join("W*" if part.startswith("W") else part for part in text.split(","))
        return self.options.index(general) if general in self.options else -1


def _conditions(raw: dict[str, Any], options: list[str], sets: list[int]) -> list[int]:
    column = [ANY] * CONDITIONS

    def members(values: Sequence[int]) -> int:
        start = len(sets)
        sets.extend((*values, -9))
        return start

    single = {"ttl_min": TTL_MIN, "ttl_max": TTL_MAX, "ip_id": IP_ID, "not_ip_id": NOT_IP_ID, "mss": MSS,
              "df": DF, "seq_is_dst": SEQ_IS_DST, "masscan_xor": MASSCAN, "seq_low_zero": SEQ_LOW_ZERO,
              "ack_zero": ACK_ZERO, "icmp_type": ICMP_TYPE}  # fmt: skip
    for name, value in raw.items():
        if name == "protocol":
            column[PROTO] = _PROTOCOLS[value]
        elif name in single:
            column[single[name]] = int(value)
        elif name == "flags":
            column[FLAG_SET] = members([value])
        elif name == "flags_any":
            column[FLAG_SET] = members(value)
        elif name == "window":
            column[WINDOW_SET] = members(value)
        elif name == "ports":
            column[PORT_SET] = members(value)
        elif name == "options":
            for form in value:
                if form not in options:
                    options.append(form)
            column[OPTION_SET] = members([options.index(form) for form in value])
        else:
            raise ValueError(f"fingerprints.toml: unknown condition {name!r}")
    return column


def parse(text: str) -> RuleSet:
    """The rule set written in TOML; ValueError or KeyError when it is wrong."""
    raw = tomllib.loads(text)
    rules: list[Rule] = []
    columns: list[list[int]] = []
    options: list[str] = []
    sets: list[int] = []
    for entry in raw["rule"]:
        entry = dict(entry)
        head = {k: entry.pop(k) for k in ("name", "doc", "source", "status")}
        columns.append(_conditions(entry, options, sets))
        columns[-1][SPOOFED] = int(head["name"] == "flood-kit")
        rules.append(Rule(**head, conditions=entry))
    groups = np.array([_group(column, sets) for column in columns])
    order = np.argsort(groups, kind="stable")
    table = np.array(columns, np.int64)[order].T.copy()
    starts = np.searchsorted(groups[order], np.arange(GROUPS + 1)).astype(np.int64)
    codes = (order + 1).astype(np.int64)
    return RuleSet(
        raw["version"], tuple(rules), table, starts, codes, np.array(sets, np.int64), tuple(options)
    )


def _group(column: list[int], sets: list[int]) -> int:
    """Which of GROUPS a rule belongs to; ValueError for one that would have to stand in two."""
    if column[PROTO] in (17, 1):
        return 2 if column[PROTO] == 17 else 3
    start = column[FLAG_SET]
    if column[PROTO] != 6 or start == ANY:
        raise ValueError("fingerprints.toml: a rule needs a protocol, and a TCP rule its flags")
    flags = sets[start : sets.index(-9, start)]
    if 2 in flags and len(flags) > 1:
        raise ValueError("fingerprints.toml: give SYN a rule of its own")
    return 0 if flags == [2] else 1


@cache
def current() -> RuleSet:
    """The rule set this release ships."""
    return parse(resources.files("noroshi.observe.darknet").joinpath("fingerprints.toml").read_text("utf-8"))


RULES_VERSION = current().version
"""Rows tagged by an older version are tagged again by `noroshi analyse`."""


def retag(rows: pa.Table) -> pa.Table:
    """Rows of `flows` with `tool`, `class` and `rules_version` as the present rules give them."""
    from noroshi.observe.darknet import tagging  # numba is loaded only when there is something to tag

    return tagging.retag(rows)
