"""How well `dos-victim` finds simulated attacks, and how honest its intervals are, for /8 to /24.

    python bench/dos_simulation.py [--days 25] [--seed 10000] [--json bench/results/dos_simulation.json]

A day is drawn at the level of `flows` rows, already thinned to the telescope, and goes through the analyser's
own reduce and judge. Attacks (60 a day) have a known rate, duration (5 min to 12 h, log-uniform) and manner:

- random     sources forged uniformly over IPv4; SYN-ACK, RST, echo replies, or ICMP errors quoting UDP
- retry      the same, and the victim sends each SYN-ACK up to six times (1, 3, 7, 15, 31 s later, same seq)
- list       a fixed list of forged tuples, cycled 2 to 40 times, each answered with a new seq
- subnet     sources forged from a quarter of the telescope's space only: to be flagged, has no rate

Their rates lie between 1/10 and 50 times the floor the analyser prints for their duration. Around them:
scans,
sweeps with SYN-ACKs, hosts that answer from many ports, reflection at single addresses, inside talkers and
the
servers they talk to, misconfigured senders, and strays with a few late packets.

**Above the floor** means: true rate >= floor_pps(scope, true duration, baseline of the day), and for `list`
and
`subnet` that as many tuples are expected inside the telescope as that rate would bring (cycling a list faster
shows no new address). Attacks below it count neither for nor against. Precision counts every finding whose
subject was not attacked. Coverage: of attacks found above the floor (subnet ones have no rate), the share
whose
true rate lies within [rate_low, rate_high]. An attack whose forged sources avoid or favour the telescope as a
whole cannot be told from one of another rate by anybody; it is not simulated.

Baseline: the published fixed defaults (>= 25 packets, >= 60 s, >= 30 in some 60 s), on the same rows.
Seeds below 1,000 were used while writing the analyser; reported figures use seeds from 10,000 on.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from noroshi.analyse.darknet import stats
from noroshi.analyse.darknet.dos_victim import MIN_DST, DosVictim, floor_pps, needed
from noroshi.model import address
from noroshi.model.analyser import Scope, Telescope
from noroshi.model.finding import Finding
from noroshi.model.tables import TABLES

LENGTHS = (8, 16, 20, 22, 23, 24)
DAY = date(2024, 4, 1)
DAY_S = 86_400.0
ATTACKS = 60
MANNERS = ("random", "retry", "list", "subnet")
SHARES = (0.4, 0.25, 0.25, 0.1)
SYN_ACK: dict[str, Any] = {"protocol": 6, "tcp_flags": 18, "src_port": 443, "ack": 1, "seq": 1}
RST: dict[str, Any] = {"protocol": 6, "tcp_flags": 20}
DNS: dict[str, Any] = {"protocol": 17, "src_port": 53, "payload": "dns-reply"}
RETRIES = np.array([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])
NET = {
    length: ipaddress.ip_network(f"10.64.0.0/{length}" if length > 8 else "10.0.0.0/8") for length in LENGTHS
}


@dataclass(frozen=True)
class Attack:
    """What was done: the truth a finding is compared with."""

    victim: str
    manner: str
    vector: str
    rate: float
    """Answered packets per second, over all of IPv4."""
    duration_s: float
    tuples: float
    """Distinct forged tuples expected inside the telescope."""


class Drawing:
    """Rows of one day, gathered as columns; `add` merges packets of one row."""

    def __init__(self, rng: np.random.Generator, length: int) -> None:
        self.rng = rng
        self.low = int(NET[length].network_address)
        self.size = NET[length].num_addresses
        self.parts: list[dict[str, Any]] = []

    def add(self, src: Any, dst: Any, t: np.ndarray, key: np.ndarray | None = None, **columns: Any) -> None:
        """Packets at `t` seconds; those with one `key` (default: each its own) in one minute are one row.

        src, dst and columns: one value, or one per packet, equal where the key is.
        """
        if len(t) == 0:
            return
        us = (t * 1e6).astype(np.int64)
        ids = np.arange(len(t)) if key is None else key
        _, first, row, count = np.unique(
            np.stack([ids, us // 60_000_000]),
            axis=1,
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        start, end = np.full(len(first), np.iinfo(np.int64).max), np.zeros(len(first), np.int64)
        np.minimum.at(start, row.ravel(), us)
        np.maximum.at(end, row.ravel(), us)
        part = {"src_ip": src, "dst_ip": dst} | columns
        spread = {k: np.broadcast_to(np.asarray(v), len(t))[first] for k, v in part.items()}
        self.parts.append(spread | {"packet_count": count, "first_seen": start, "last_seen": end})

    def inside(self, n: int, low: int = 0, high: int | None = None) -> np.ndarray:
        """n addresses of the telescope, uniformly."""
        return self.low + self.rng.integers(low, high or self.size, n)

    def ephemeral(self, n: int) -> np.ndarray:
        return self.rng.integers(1024, 65_536, n)

    def word(self, n: int) -> np.ndarray:
        return self.rng.integers(0, 2**32, n)

    def header(self, n: int, src_port: int | None = None) -> dict[str, Any]:
        """A new forged packet's ports and numbers, n times."""
        port = self.ephemeral(n) if src_port is None else src_port
        return {"src_port": port, "dst_port": self.ephemeral(n), "ack": self.word(n), "seq": self.word(n)}

    def table(self) -> pa.Table:
        """The rows in the schema of `flows`."""
        rows = sum(len(p["packet_count"]) for p in self.parts)
        zero = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()) * 1_000_000

        def column(name: str, default: Any) -> np.ndarray:
            return np.concatenate(
                [np.broadcast_to(p.get(name, default), len(p["packet_count"])) for p in self.parts]
            )

        out: dict[str, pa.Array[Any]] = {}
        schema = TABLES["flows"].arrow()
        for field in schema:
            name = field.name
            if name in ("src_ip", "dst_ip", "inner_src_ip", "inner_dst_ip"):
                out[name] = _addresses(column(name, -1))
            elif name in ("first_seen", "last_seen"):
                out[name] = pa.array(column(name, 0) + zero).cast(field.type)
            elif name in ("class", "payload", "tool", "run_id"):
                out[name] = pa.array(column(name, "").astype(str)).cast(field.type)
            elif name in ("seq", "ack", "inner_src_port", "inner_dst_port", "inner_protocol"):
                values = column(name, -1)
                out[name] = pa.array(values, mask=values < 0).cast(field.type)
            elif pa.types.is_integer(field.type):
                out[name] = pa.array(column(name, {"ip_len": 40, "ttl": 50}.get(name, 0))).cast(field.type)
            else:
                out[name] = pa.nulls(rows, field.type)
        return pa.table(out, schema=schema)


def _addresses(values: np.ndarray) -> pa.Array[Any]:
    packed = [None if v < 0 else b"\x04" + int(v).to_bytes(4, "big") for v in values.tolist()]
    return pa.array(packed, type=pa.binary())


def draw(
    seed: int, length: int, attacks: int = ATTACKS, over: float | None = None
) -> tuple[pa.Table, list[Attack], Scope]:
    """One day at a telescope of that prefix length.

    over: all attacks are of the manner `random`, their rate this many times the floor of their duration.
    """
    rng = np.random.default_rng([seed, length])
    day = Drawing(rng, length)
    talkers = np.unique(day.inside(max(1, min(40, day.size // 64))))
    telescope = Telescope("simulated", (str(NET[length]),))
    scope = Scope(
        DAY, telescope, float(day.size - len(talkers)), day.size, DAY_S,
        tuple(address.pack(str(ipaddress.ip_address(int(a)))) for a in talkers),
    )  # fmt: skip
    truth = [
        _attack(day, scope, 0xCB000000 + 251 * i + int(rng.integers(1, 200)), over) for i in range(attacks)
    ]
    _background(day, talkers)
    return day.table(), truth, scope


def _attack(day: Drawing, scope: Scope, victim: int, over: float | None) -> Attack:
    rng = day.rng
    manner = str(rng.choice(MANNERS, p=SHARES)) if over is None else "random"
    vector = (
        "syn-ack" if manner in ("retry", "list") else str(rng.choice(["syn-ack", "rst", "echo", "error"]))
    )
    seconds = float(np.exp(rng.uniform(np.log(300), np.log(43_200))))
    start = float(rng.uniform(0, DAY_S - seconds - 40))
    q = day.size / 2**32
    rate = floor_pps(scope, seconds) * float(over or 10 ** rng.uniform(-1, np.log10(50)))
    expected = rate * q * seconds
    if manner == "list":
        rounds = int(rng.integers(2, 41))
        entries = rng.poisson(expected / rounds)
        # Every round sends the list in its order: entry i at the same phase of each round, with jitter.
        phase, period = rng.uniform(0, 1, entries), seconds / rounds
        t = start + ((np.arange(rounds)[:, None] + phase[None, :]) * period).ravel()
        forged = np.tile(np.arange(entries), rounds)
        tuples = expected / rounds
    else:
        n = rng.poisson(expected)
        t, forged, entries, tuples = start + rng.uniform(0, seconds, n), np.arange(n), n, expected
    corner = int(rng.integers(0, 4)) * (day.size // 4)
    dst = day.inside(entries, corner, corner + day.size // 4) if manner == "subnet" else day.inside(entries)
    dport, ack = day.ephemeral(entries), day.word(entries)
    _replies(day, victim, vector, manner, t, dst[forged], dport[forged], ack[forged])
    tuples *= scope.size / day.size  # those at talkers are not looked at
    return Attack(str(ipaddress.ip_address(victim)), manner, vector, rate, seconds, tuples)


def _replies(
    day: Drawing, victim: int, vector: str, manner: str, t: np.ndarray, dst: np.ndarray, dport: np.ndarray,
    ack: np.ndarray,
) -> None:  # fmt: skip
    port, n = int(day.rng.choice([22, 53, 80, 443, 25565])), len(t)
    reply: dict[str, Any] = {"class": "backscatter"}
    if vector == "syn-ack":
        seq, key = day.word(n), np.arange(n)
        if manner == "retry":
            sent = RETRIES[: int(day.rng.integers(2, 7))]
            t = (t[:, None] + sent[None, :]).ravel()
            dst, dport, ack, seq, key = (np.repeat(a, len(sent)) for a in (dst, dport, ack, seq, key))
        day.add(
            victim,
            dst,
            t,
            key,
            src_port=port,
            dst_port=dport,
            protocol=6,
            tcp_flags=18,
            ack=ack,
            seq=seq,
            **reply,
        )
    elif vector == "rst":
        day.add(
            victim, dst, t, src_port=port, dst_port=dport, protocol=6, tcp_flags=20, ack=ack, seq=0, **reply
        )
    elif vector == "echo":
        day.add(victim, dst, t, dst, src_port=0, dst_port=0, protocol=1, **reply)
    else:
        day.add(
            victim, dst, t, src_port=3, dst_port=3, protocol=1, inner_src_ip=dst, inner_dst_ip=victim,
            inner_src_port=dport, inner_dst_port=port, inner_protocol=17, **reply,
        )  # fmt: skip


def _background(day: Drawing, talkers: np.ndarray) -> None:
    rng = day.rng

    def times(n: int) -> np.ndarray:
        return rng.uniform(0, DAY_S, n)

    for i in range(40):  # scans
        n = int(rng.integers(5, 200))
        day.add(0xC6336400 + i, day.inside(n), times(n), src_port=day.ephemeral(n), dst_port=23, protocol=6,
                tcp_flags=2, seq=day.word(n), ack=0)  # fmt: skip
    for i in range(3):  # sweeps with SYN-ACKs: one make of packet, or a source port per packet
        n = 150
        same = {"src_port": 80, "ack": 1, "seq": 7} if i == 0 else day.header(n)
        day.add(0xC6336500 + i, day.inside(n), times(n), **SYN_ACK | same | {"dst_port": 80})
    for i in range(5):  # hosts that reset from many ports
        day.add(0xC6336600 + i, day.inside(120), times(120), **RST | day.header(120) | {"ack": 0})
    for i in range(3):  # reflection at one address, from many servers
        n, dst = 600, int(day.inside(1)[0])
        servers = 0x08000000 + rng.integers(0, 1 << 16, n)
        burst = rng.uniform(0, 900, n) + 20_000 * i
        day.add(servers, dst, burst, **(SYN_ACK if i == 0 else DNS) | {"dst_port": day.ephemeral(n)})
    # Talkers, the servers they talk to, and what those answer.
    n = 2000
    day.add(
        0x09000000 + rng.integers(0, 20, n), rng.choice(talkers, n), times(n), **SYN_ACK | day.header(n, 443)
    )
    day.add(
        rng.choice(talkers, n), 0x09FFFFFF - rng.integers(0, 1 << 16, n), times(n), **RST | day.header(n, 22)
    )
    day.add(rng.choice(talkers, 500), day.inside(500), times(500), **SYN_ACK | day.header(500, 22))
    for i in range(30):  # misconfigured: one source, up to three addresses, all day
        n, few = int(rng.integers(20, 300)), day.inside(int(rng.integers(1, 4)))
        kind = DNS | {"dst_port": day.ephemeral(n)} if i % 2 == 0 else SYN_ACK | day.header(n, 80)
        day.add(0xC6336700 + i, rng.choice(few, n), times(n), **kind)
    strays = 0x2E000000 + np.repeat(np.arange(300), rng.integers(1, 4, 300))
    n = len(strays)
    flags = {"tcp_flags": rng.choice([4, 18, 20], n)}
    day.add(strays, day.inside(n), times(n), **SYN_ACK | day.header(n, 443) | flags)


class TableQuery:
    """`Query` over one table of flows."""

    def __init__(self, table: pa.Table) -> None:
        import duckdb

        self.con = duckdb.connect()
        self.con.execute("SET threads = 1")
        self.con.execute("SET TimeZone = 'UTC'")
        self.con.register("rows", table)
        self.con.execute(f"CREATE VIEW flows AS SELECT *, DATE '{DAY}' AS day FROM rows")

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        answer: pa.Table = self.con.sql(text, params=params or {}).to_arrow_table()
        return answer


def fixed_defaults(table: pa.Table) -> set[bytes]:
    """Sources the published fixed thresholds name; packets of a row are taken at its first_seen."""
    flags = np.asarray(table["tcp_flags"]) & 23
    protocol, kind = np.asarray(table["protocol"]), np.asarray(table["src_port"])
    is_reply = ((protocol == 6) & np.isin(flags, (4, 18, 20))) | ((protocol == 1) & np.isin(kind, (0, 3)))
    src = np.array(table["src_ip"].to_pylist(), dtype=object)[is_reply]
    count = np.asarray(table["packet_count"])[is_reply]
    at = np.asarray(table["first_seen"].cast(pa.int64()))[is_reply] / 1e6
    named = set()
    for source in set(src):
        mine = src == source
        t = np.sort(np.repeat(at[mine], count[mine]))
        if (
            len(t) >= 25
            and t[-1] - t[0] >= 60
            and (np.searchsorted(t, t + 60) - np.arange(len(t))).max() >= 30
        ):
            named.add(source)
    return named


@dataclass(frozen=True)
class Judged:
    """One attack and what became of it."""

    attack: Attack
    above: float
    """Rate over floor; the smaller of that and the share of the tuples needed."""
    finding: Finding | None
    by_defaults: bool


def run_day(
    seed: int, length: int, attacks: int = ATTACKS, over: float | None = None
) -> tuple[list[Judged], int, int]:
    """The attacks of one day, false findings, and false findings of the fixed defaults."""
    table, truth, scope = draw(seed, length, attacks, over)
    analyser = DosVictim()
    reduced = analyser.reduce(TableQuery(table), scope)
    findings = {f.subject.value: f for f in analyser.judge(reduced, scope)}
    named = {address.text(a) for a in fixed_defaults(table)}
    out = []
    for a in truth:
        mean = stats.mean_for_detection(
            needed(scope, a.duration_s, reduced.baseline), MIN_DST, int(scope.size)
        )
        over = a.rate / floor_pps(scope, a.duration_s, reduced.baseline)
        out.append(Judged(a, min(over, a.tuples / mean), findings.get(a.victim), a.victim in named))
    victims = {a.victim for a in truth}
    return out, len(findings.keys() - victims), len(named - victims)


def score(judged: list[Judged], false: int, false_defaults: int) -> dict[str, Any]:
    """The figures of one telescope size."""
    above = [j for j in judged if j.above >= 1]
    hit = [j for j in above if j.finding]
    recall, precision = len(hit) / max(1, len(above)), len(hit) / max(1, len(hit) + false)
    near = [j for j in above if j.above < 2]
    rated = [j for j in hit if j.attack.manner != "subnet" and j.finding and j.finding.evidence["rate_pps"]]
    covered = [j for j in rated if _covers(j)]
    subnet = [j for j in hit if j.attack.manner == "subnet"]
    others = [j for j in hit if j.attack.manner != "subnet"]
    defaults = sum(j.by_defaults for j in above)
    by_manner = {m: [_covers(j) for j in rated if j.attack.manner == m] for m in MANNERS if m != "subnet"}
    recall_d, precision_d = defaults / max(1, len(above)), defaults / max(1, defaults + false_defaults)
    return {
        "attacks": len(judged), "above_floor": len(above), "found": len(hit), "false": false,
        "below_floor_found": sum(j.above < 1 and j.finding is not None for j in judged),
        "recall": round(recall, 4), "precision": round(precision, 4), "f1": round(_f1(recall, precision), 4),
        "recall_1_to_2_floors": round(sum(j.finding is not None for j in near) / max(1, len(near)), 4),
        "intervals": len(rated), "coverage": round(len(covered) / max(1, len(rated)), 4),
        "coverage_by_manner": {m: round(sum(c) / max(1, len(c)), 4) for m, c in by_manner.items()},
        "too_low": sum(_side(j) < 0 for j in rated), "too_high": sum(_side(j) > 0 for j in rated),
        "median_rate_over_truth": round(float(np.median([_ratio(j) for j in rated])), 4) if rated else None,
        "subnet_flagged": round(sum(_flagged(j) for j in subnet) / max(1, len(subnet)), 4),
        "falsely_flagged": round(sum(_flagged(j) for j in others) / max(1, len(others)), 4),
        "defaults_recall": round(recall_d, 4), "defaults_f1": round(_f1(recall_d, precision_d), 4),
    }  # fmt: skip


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _side(j: Judged) -> int:
    """-1: the whole interval lies below the truth, 1: above it, 0: it holds it."""
    assert j.finding is not None
    e = j.finding.evidence
    return -1 if e["rate_high"] < j.attack.rate else 1 if e["rate_low"] > j.attack.rate else 0


def _covers(j: Judged) -> bool:
    return _side(j) == 0


def _ratio(j: Judged) -> float:
    assert j.finding is not None
    return float(j.finding.evidence["rate_pps"]) / j.attack.rate


def _flagged(j: Judged) -> bool:
    return j.finding is not None and bool(j.finding.evidence["subnet_targeted"])


def simulate(length: int, seeds: range, attacks: int = ATTACKS) -> dict[str, Any]:
    """The figures for telescopes of that length over one day per seed."""
    judged: list[Judged] = []
    false = false_defaults = 0
    for seed in seeds:
        day, wrong, wrong_defaults = run_day(seed, length, attacks)
        judged += day
        false += wrong
        false_defaults += wrong_defaults
    return score(judged, false, false_defaults)


def found_at_floor(length: int, seeds: range, attacks: int = ATTACKS) -> float:
    """The share found of attacks whose rate is the printed floor itself: it promises 0.95."""
    judged = [j for seed in seeds for j in run_day(seed, length, attacks, over=1.0)[0]]
    return sum(j.finding is not None for j in judged) / len(judged)


def figures(days: int, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for length in LENGTHS:
        at_floor = found_at_floor(length, range(seed + 5_000, seed + 5_000 + max(1, days // 4)))
        yield length, simulate(length, range(seed, seed + days)) | {"recall_at_floor": round(at_floor, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Finds simulated attacks with dos-victim.")
    parser.add_argument("--days", type=int, default=25)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "results" / "dos_simulation.json"
    )
    args = parser.parse_args()
    print(
        "      above floor  recall  at floor  at 1-2x  precision     F1"
        "  coverage  (random retry  list)  defaults F1"
    )
    began, results = time.perf_counter(), {}
    for length, r in figures(args.days, args.seed):
        results[f"/{length}"] = r
        c = r["coverage_by_manner"]
        print(
            f"/{length:<4} {r['above_floor']:>10}  {r['recall']:6.3f}"
            f"  {r['recall_at_floor']:8.3f}  {r['recall_1_to_2_floors']:7.3f}"
            f"  {r['precision']:9.3f}  {r['f1']:5.3f}  {r['coverage']:8.3f}"
            f"  ({c['random']:6.3f} {c['retry']:5.3f} {c['list']:5.3f})  {r['defaults_f1']:11.3f}",
            flush=True,
        )  # fmt: skip
    document = {
        "what": "dos-victim on simulated days",
        "command": " ".join(["python", "bench/dos_simulation.py", *sys.argv[1:]]),
        "days": args.days, "attacks_a_day": ATTACKS, "first_seed": args.seed,
        "rule_version": DosVictim.version,
        "python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine(),
        "seconds": round(time.perf_counter() - began, 1), "results": results,
    }  # fmt: skip
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
