"""A synthetic lake for the pivot: observations of several kinds over 60 days, written through the lake's own writer.

70 % flows, 10 % connections, 12 % logins, 5 % services, 3 % indicators; sources by Zipf 1.2, addresses in /24s of
eight; 400 runs, a twentieth of a network table and of a warninglist beside them. SYNTHETIC: seed and shape only.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from noroshi.lake.handle import Lake
from noroshi.model.sensor import Batch
from noroshi.model.tables import TABLES
from noroshi.model.tlp import Tlp

DAYS, RUNS, ZIPF, SEED = 60, 400, 1.2, 20261120
START = datetime(2026, 8, 1, tzinfo=UTC)
SHARES = {"flows": 0.70, "connections": 0.10, "logins": 0.12, "services": 0.05, "indicators": 0.03}
NETWORKS, WARNINGS = 20_000, 2_000
BATCH = 400_000
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """What the observations are drawn from."""

    addresses: npt.NDArray[np.uint32]
    """By rank."""
    order: I64
    """Ranks in the order of their addresses."""
    cumulated: npt.NDArray[np.float64]
    own: npt.NDArray[np.uint32]
    dark: npt.NDArray[np.uint32]


def world(observations: int) -> World:
    """Twice a hundredth as many addresses as observations, at least 20,000 and at most a million."""
    rng = np.random.default_rng(SEED)
    n = int(min(1_000_000, max(20_000, observations // 50)))
    nets = rng.choice(np.arange(0x01000000 >> 8, 0xDF000000 >> 8, dtype=np.uint32), n // 8 + 1, replace=False)
    hosts = np.concatenate([rng.choice(254, 8, replace=False) + 1 for _ in range(len(nets))])[:n]
    addresses = (np.repeat(nets, 8)[:n].astype(np.uint32) << np.uint32(8)) | hosts.astype(np.uint32)
    rng.shuffle(addresses)
    weights = 1.0 / np.arange(1, n + 1) ** ZIPF
    return World(
        addresses, np.argsort(addresses, kind="stable"), np.cumsum(weights) / weights.sum(),
        np.arange(0xC6120000, 0xC6120100, dtype=np.uint32), np.arange(0xC6130000, 0xC6131000, dtype=np.uint32),
    )  # fmt: skip


def fill(lake: Lake, observations: int) -> float:
    """Writes them; seconds taken."""
    began = time.perf_counter()
    w = world(observations)
    each = observations // RUNS
    with lake.writer() as writer:
        _context(writer, w)
        for number in range(RUNS):
            rng = np.random.default_rng([SEED, number])
            run = writer.begin(path=f"sensor-{number % 8}/{number:04d}", source=f"sensor-{number % 8}",
                               format="pcap", parser_version=1, tlp=Tlp.GREEN)  # fmt: skip
            for table, share in SHARES.items():
                n = int(each * share)
                for at in range(0, n, BATCH):
                    for batch in MAKERS[table](rng, w, min(BATCH, n - at), number, at):
                        run.write(batch)
            run.finish(sha256=f"{number:064x}", size=each)
            if number % 50 == 49:
                print(
                    f"  {number + 1} runs, {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True
                )
    return time.perf_counter() - began


def _context(writer: Any, w: World) -> None:
    run = writer.begin(path="networks", source="networks", format="iptoasn", parser_version=1, tlp=Tlp.CLEAR)
    nets = np.unique(w.addresses >> np.uint32(16))[:NETWORKS].astype(np.int64)
    rows = {
        "ts": pa.array([START] * len(nets), pa.timestamp("us", tz="UTC")),
        "low": _packed((nets << 16).astype(np.uint32)).cast(pa.binary()),
        "high": _packed((nets << 16 | 0xFFFF).astype(np.uint32)).cast(pa.binary()),
        "prefix": [f"{n >> 8}.{n & 255}.0.0/16" for n in nets.tolist()],
        "asn": [f"AS{64512 + n % 1000}" for n in nets.tolist()], "as_name": ["Example"] * len(nets),
        "country": [("JP", "US", "DE", "BR")[n % 4] for n in nets.tolist()],
        "offset": np.arange(len(nets), dtype=np.int64),
    }  # fmt: skip
    run.write(Batch("networks", _table("networks", rows)))
    listed = w.addresses[::97][:WARNINGS]
    rows = {
        "ts": pa.array([START] * len(listed), pa.timestamp("us", tz="UTC")), "list": ["resolvers"] * len(listed),
        "kind": ["ip"] * len(listed), "value": _texts(listed), "match": ["exact"] * len(listed),
        "category": ["known"] * len(listed), "offset": np.arange(len(listed), dtype=np.int64),
    }  # fmt: skip
    run.write(Batch("warnings", _table("warnings", rows)))
    run.finish(sha256="c" * 64, size=1)


def _ranks(rng: np.random.Generator, w: World, n: int) -> I64:
    return np.searchsorted(w.cumulated, rng.random(n)).astype(np.int64)


def _times(rng: np.random.Generator, n: int, number: int) -> I64:
    span = DAYS * 86_400_000_000 // RUNS
    begin = int(START.timestamp()) * 1_000_000 + number * span
    return np.sort(rng.integers(begin, begin + span, n))


def _packed(addresses: npt.NDArray[np.uint32]) -> Any:
    raw = np.empty((len(addresses), 5), np.uint8)
    raw[:, 0] = 4
    raw[:, 1:] = np.ascontiguousarray(addresses.astype(">u4")).view(np.uint8).reshape(-1, 4)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(5), len(addresses), [None, pa.py_buffer(raw.tobytes())]
    )


def _coded(codes: I64, addresses: npt.NDArray[np.uint32]) -> Any:
    """Addresses as a dictionary column, as decoders give them."""
    distinct, index = np.unique(codes, return_inverse=True)
    values = _packed(addresses[distinct]).cast(pa.binary())
    return pa.DictionaryArray.from_arrays(_int32(index), values)


def _int32(values: Any) -> Any:
    return pa.array(values.astype(np.int32))


def _same(value: str, n: int) -> Any:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array([value], pa.string()))


def _texts(addresses: npt.NDArray[np.uint32]) -> list[str]:
    return [f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}" for a in addresses.tolist()]


def _stamp(us: I64) -> Any:
    return pa.array(us).cast(pa.timestamp("us", tz="UTC"))


def _table(name: str, columns: dict[str, Any]) -> pa.Table:
    """With the types of the schema, dictionaries left as they are."""
    schema = TABLES[name].arrow()
    arrays = []
    for column, values in columns.items():
        want = schema.field(column).type
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        arrays.append(array if pa.types.is_dictionary(array.type) or array.type == want else array.cast(want))
    return pa.table(arrays, names=list(columns))


def _flows(rng: np.random.Generator, w: World, n: int, number: int, at: int) -> list[Batch]:
    ranks, ts = _ranks(rng, w, n), _times(rng, n, number)
    tcp = rng.random(n) < 0.9
    rows = {
        "src_ip": _coded(ranks, w.addresses), "dst_ip": _coded(rng.integers(0, len(w.dark), n), w.dark),
        "src_port": rng.integers(1024, 65536, n), "dst_port": rng.choice([23, 22, 80, 443, 445, 8080, 2323], n),
        "protocol": np.where(tcp, 6, 17), "ttl": rng.integers(40, 250, n), "tcp_flags": np.where(tcp, 2, 0),
        "ip_len": np.full(n, 40), "packet_count": rng.integers(1, 4, n), "byte_count": np.full(n, 40),
        "first_seen": _stamp(ts), "last_seen": _stamp(ts), "tool": _same("", n), "class": _same("scan", n),
        "rules_version": np.ones(n, np.int64), "seq": rng.integers(0, 1 << 32, n), "ack": np.zeros(n, np.int64),
        "ip_id": rng.integers(0, 65536, n), "tcp_window": np.full(n, 1024),
        "offset": np.arange(at, at + n, dtype=np.int64) * 56,
    }  # fmt: skip
    return [Batch("flows", _table("flows", rows)), Batch("links", _links(w, ranks, ts, rows["packet_count"]))]


def _links(w: World, ranks: I64, ts: I64, counts: I64) -> pa.Table:
    """What the decoder's kernels count while they decode: a row per source and day."""
    day = ts // 86_400_000_000
    order = np.lexsort((ts, day, ranks))
    r, d, t, c = ranks[order], day[order], ts[order], counts[order]
    first = np.flatnonzero(np.append(True, (np.diff(r) != 0) | (np.diff(d) != 0)))
    last = np.append(first[1:], len(r)) - 1
    who = w.addresses[r[first]]
    n = len(first)
    return pa.table({
        "key": (np.int64(1) << 60) | (who.astype(np.int64) << 28), "kind": _same("ip", n).cast(pa.string()),
        "value": pa.array(_texts(who)), "role": _same("src", n).cast(pa.string()),
        "table": _same("flows", n).cast(pa.string()), "day": pa.array(d[first].astype(np.int32)).cast(pa.date32()),
        "first_seen": _stamp(t[first]), "last_seen": _stamp(t[last]), "count": np.add.reduceat(c, first),
    })  # fmt: skip


def _connections(rng: np.random.Generator, w: World, n: int, number: int, at: int) -> list[Batch]:
    ts = _times(rng, n, number)
    rows = {
        "first_seen": _stamp(ts), "last_seen": _stamp(ts + rng.integers(0, 10_000_000, n)),
        "src_ip": _coded(_ranks(rng, w, n), w.addresses), "src_port": rng.integers(1024, 65536, n),
        "dst_ip": _coded(rng.integers(0, len(w.own), n), w.own), "dst_port": rng.choice([22, 80, 443], n),
        "protocol": np.full(n, 6), "service": _same("http", n), "state": _same("SF", n),
        "src_packet_count": rng.integers(1, 100, n), "src_byte_count": rng.integers(40, 100_000, n),
        "offset": np.arange(at, at + n, dtype=np.int64) * 120,
    }  # fmt: skip
    return [Batch("connections", _table("connections", rows))]


def _logins(rng: np.random.Generator, w: World, n: int, number: int, at: int) -> list[Batch]:
    ranks = _ranks(rng, w, n // 4 + 1)
    session = np.repeat(np.arange(len(ranks)), 4)[:n]
    ts = _times(rng, n, number)
    users = pa.array([f"user{i}" for i in range(50)])
    words = pa.array([f"pass{i}" for i in range(2000)])
    rows = {
        "ts": _stamp(ts),
        "session_id": pa.DictionaryArray.from_arrays(
            _int32(session), pa.array([f"{number:04x}{at + i:06x}" for i in range(len(ranks))])
        ),
        "decoy": _same(f"decoy-{number % 4}", n), "src_ip": _coded(ranks[session], w.addresses),
        "src_port": rng.integers(1024, 65536, n), "dst_ip": _coded(np.zeros(n, np.int64), w.own),
        "dst_port": np.full(n, 22), "service": _same("ssh", n),
        "username": pa.DictionaryArray.from_arrays(_int32(rng.integers(0, 50, n)), users),
        "password": pa.DictionaryArray.from_arrays(
            _int32(2000 * rng.random(n) ** 3), words
        ),
        "method": _same("password", n), "success": rng.random(n) < 0.01,
        "offset": np.arange(at, at + n, dtype=np.int64) * 300,
    }  # fmt: skip
    return [Batch("logins", _table("logins", rows))]


def _services(rng: np.random.Generator, w: World, n: int, number: int, at: int) -> list[Batch]:
    cpes = [[f"cpe:2.3:a:vendor{i % 40}:product{i}:{i % 9}.{i % 7}:*:*:*:*:*:*:*"] for i in range(200)]
    pick = rng.integers(0, 200, n)
    rows = {
        "ts": _stamp(_times(rng, n, number)),
        "ip": _coded(rng.integers(0, len(w.addresses), n), w.addresses), "port": rng.choice([22, 80, 443, 8443], n),
        "protocol": np.full(n, 6), "state": _same("open", n), "service": _same("http", n),
        "product": pa.DictionaryArray.from_arrays(
            _int32(pick), pa.array([f"product{i}" for i in range(200)])
        ),
        "cpes": pa.array(cpes, pa.list_(pa.string())).take(_int32(pick)), "scanner": _same("zgrab2", n),
        "offset": np.arange(at, at + n, dtype=np.int64) * 900,
    }  # fmt: skip
    return [Batch("services", _table("services", rows))]


def _indicators(rng: np.random.Generator, w: World, n: int, number: int, at: int) -> list[Batch]:
    who = rng.integers(0, len(w.addresses), n)
    addresses = rng.random(n) < 0.5
    texts = _texts(w.addresses[who])
    values = [
        t if a else f"h{k}.example{k % 5000}.com" for t, a, k in zip(texts, addresses, who, strict=True)
    ]
    rows = {
        "ts": _stamp(_times(rng, n, number)), "kind": np.where(addresses, "ip", "domain").tolist(), "value": values,
        "role": np.where(rng.random(n) < 0.3, "c2", "mentions").tolist(),
        "document": [f"doc-{number}-{(at + i) // 40}" for i in range(n)],
        "origin": [f"org-{number % 30}"] * n, "tlp": ["green"] * n,
        "offset": np.arange(at, at + n, dtype=np.int64) * 200,
    }  # fmt: skip
    return [Batch("indicators", _table("indicators", rows))]


MAKERS = {
    "flows": _flows, "connections": _connections, "logins": _logins, "services": _services,
    "indicators": _indicators,
}  # fmt: skip


def made(where: Path, observations: int) -> tuple[Lake, dict[str, float]]:
    """The lake in `where`, filled and compacted if it is not there yet, and what that took (empty when it was)."""
    from noroshi.lake import heads

    if (where / "done").is_file():
        return Lake.open(where, create=False), {}
    lake = Lake.open(where)
    took = {"write_s": fill(lake, observations)}
    began = time.perf_counter()
    lake.compact()
    took["compact_s"] = time.perf_counter() - began
    began = time.perf_counter()
    heads.build(lake)
    took["heads_s"] = time.perf_counter() - began
    (where / "done").write_text(f"{observations}\n")
    return lake, took


END = START + timedelta(days=DAYS)
