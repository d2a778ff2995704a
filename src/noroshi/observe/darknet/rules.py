"""Tool and class of a flow row: the fingerprints as arrays, and the kernel that applies them.

A pure function of the row's own columns, so that ingest and re-tagging of history give the same answer.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from noroshi.wire import payload, tcpoptions
from noroshi.wire.jit import kernel

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

_REPLIES = [payload.CODES[n] for n in ("dns-reply", "ntp-reply", "snmp-reply", "ssdp-reply", "memcached-reply", "cldap-reply", "chargen")]
_MISCONFIGURED = [payload.CODES[n] for n in ("netbios-ns", "sip-status", "bittorrent-dht", "bittorrent", "utp", "x31")]
FRAGMENT = payload.CODES["fragment"]


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
    """CONDITIONS x rules."""
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
    table = np.array(columns, np.int64).T.copy()
    return RuleSet(raw["version"], tuple(rules), table, np.array(sets, np.int64), tuple(options))


@cache
def current() -> RuleSet:
    """The rule set this release ships."""
    return parse(resources.files("noroshi.observe.darknet").joinpath("fingerprints.toml").read_text("utf-8"))


@kernel
def _in_set(sets, start, value):  # type: ignore[no-untyped-def]
    k = start
    while sets[k] != -9:
        if sets[k] == value:
            return True
        k += 1
    return False


@kernel
def tag(n, table, sets, proto, sport, dport, ttl, flags, seq, ack, ip_id, window, mss, df, seq_is_dst, masscan, option_form, payload_code, martian, replies, misconfigured, tool, klass):  # type: ignore[no-untyped-def]  # noqa: C901, E501
    """Fill tool (code into RuleSet.names) and klass (code into CLASSES) for n rows.

    All inputs are arrays of n; -1 stands for null. option_form: RuleSet.option_form, -3 where the row's packets
    differ. martian: 1 where the source address cannot be one.
    """
    rules = table.shape[1]
    for k in range(n):
        p = proto[k]
        # ECE, CWR and NS are set by hosts that offer congestion notification; they do not change the kind.
        f = flags[k] & 0x3F
        found = 0
        spoofed = martian[k] == 1
        if payload_code[k] != 2:
            for r in range(rules):
                if table[0, r] != p:
                    continue
                if table[12, r] != -2 and not _in_set(sets, table[12, r], f):
                    continue
                if table[7, r] != -2 and table[7, r] != seq_is_dst[k]:
                    continue
                if table[8, r] != -2 and table[8, r] != masscan[k]:
                    continue
                if table[3, r] != -2 and table[3, r] != ip_id[k]:
                    continue
                if table[1, r] != -2 and ttl[k] < table[1, r]:
                    continue
                if table[2, r] != -2 and ttl[k] > table[2, r]:
                    continue
                if table[13, r] != -2 and not _in_set(sets, table[13, r], option_form[k]):
                    continue
                if table[14, r] != -2 and not _in_set(sets, table[14, r], window[k]):
                    continue
                if table[9, r] != -2 and (seq[k] < 0 or (seq[k] & 0xFFFF) != 0):
                    continue
                if table[5, r] != -2 and table[5, r] != df[k]:
                    continue
                if table[6, r] != -2 and table[6, r] != mss[k]:
                    continue
                if table[4, r] != -2 and table[4, r] == ip_id[k]:
                    continue
                if table[10, r] != -2 and ack[k] != 0:
                    continue
                if table[11, r] != -2 and table[11, r] != sport[k]:
                    continue
                if table[15, r] != -2 and not _in_set(sets, table[15, r], dport[k]):
                    continue
                found = r + 1
                if table[16, r] == 1:
                    spoofed = True
                break
        tool[k] = found
        c = 0
        if payload_code[k] == 2:
            c = 0
        elif p == 6:
            if (f & 4) or (f & 18) == 18:
                c = 2
            elif f == 2 or (f & 16) == 0:
                c = 1
            if found == 0 and (sport[k] == 0 or dport[k] == 0):
                spoofed = True
        elif p == 17:
            c = 1
            for q in range(replies.size):
                if payload_code[k] == replies[q]:
                    c = 2
            for q in range(misconfigured.size):
                if payload_code[k] == misconfigured[q]:
                    c = 3
        elif p == 1:
            t = sport[k]
            if t == 8 or t == 13 or t == 15 or t == 17:
                c = 1
            elif t == 0 or t == 3 or t == 4 or t == 5 or t == 11 or t == 12 or t == 14 or t == 16 or t == 18:
                c = 2
        elif p == 58:
            t = sport[k]
            if t == 128:
                c = 1
            elif t == 129 or (t >= 1 and t <= 4):
                c = 2
        if spoofed and (c == 1 or c == 0):
            c = 4
        klass[k] = c


REPLY_CODES = np.array(_REPLIES, np.int32)
MISCONFIGURED_CODES = np.array(_MISCONFIGURED, np.int32)


def option_text(signature: int) -> str:
    """The readable form of an options signature (`wire.tcpoptions`)."""
    return tcpoptions.text(signature)
