"""Claim: 50,000 STIX objects or MISP attributes a second and core, for the whole of ingest.

Usage: python -m bench.ingest_intel [--quick] [--rounds 5] [--objects 200000] [--data DIR] [--only stix|misp|replay]
       python -m bench.ingest_intel --only replay --attributes 10500000   MISP issue 8275: lake <= 1 GB

Made-up bundles and events in the shapes of real ones (Amnesty's indicators, a MISP event of URLs); with --data (a
folder with intel/) the real corpora too. Peers on the same bytes: stix2 parses the bundle and every pattern, pymisp
loads the event; neither stores anything. Counts must be equal, else there is no result. CPU seconds of the whole
process, start and compiled code from the cache included, without the compaction that follows; beside it the same
without what an empty source takes, and that with compaction.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import harness

STAMP = "2026-01-02T03:04:05.678901Z"
NAMESPACE = uuid.UUID("0c7b5b88-8ff7-4a4d-aa9d-feb398cd0061")

STIX_PEER = """
import json, sys, warnings
warnings.simplefilter("ignore")
import stix2
from stix2.pattern_visitor import create_pattern_object
found = stix2.parse(open(sys.argv[1], "rb").read().decode(), allow_custom=True)
patterns = [create_pattern_object(o["pattern"]) for o in found.get("objects", []) if o["type"] == "indicator"]
print(json.dumps({"objects": len(found.get("objects", [])), "patterns": len(patterns)}))
"""
MISP_PEER = """
import json, sys
import pymisp
event = pymisp.MISPEvent()
event.load_file(sys.argv[1])
print(json.dumps({"attributes": len(event.attributes) + sum(len(o.attributes) for o in event.objects)}))
"""
LIVE = """
import json, sys
from pathlib import Path
from noroshi.lake.handle import Lake
lake = Lake.open(Path(sys.argv[1]))
print(json.dumps({name: sum(f.size for f in store.files()) for name, store in lake.stores.items()}))
"""


def url(n: int, draw: random.Random) -> str:
    """A URL as feeds of malware hosts list them: half on bare addresses, many on the same hosts."""
    if n % 2:
        host = f"198.{18 + n % 2}.{draw.randrange(256)}.{draw.randrange(256)}:{draw.randrange(1024, 65536)}"
        return f"http://{host}/{draw.choice(('bin.sh', 'i', 'mozi.m', 'x86', 'arm7'))}"
    host = f"{draw.choice(('cdn', 'files', 'www', 'dl'))}.h{draw.randrange(1 << 18):x}.example"
    name = f"{draw.choice(('doc', 'inv', 'pay'))}_{n}.{draw.choice(('zip', 'exe', 'js'))}"
    return f"https://{host}/{draw.getrandbits(48):x}/{name}"


def stix_objects(count: int) -> Iterator[dict[str, Any]]:
    """One malware, then indicators and what they indicate, by turns."""
    draw = random.Random(1)
    common = {"spec_version": "2.1", "created": STAMP, "modified": STAMP}
    malware = f"malware--{uuid.uuid5(NAMESPACE, 'm')}"
    yield {"type": "malware", "id": malware, **common, "name": "Made Up", "is_family": False}
    for n in range((count - 1) // 2):
        one = f"indicator--{uuid.uuid5(NAMESPACE, f'i{n}')}"
        pattern = (
            f"[url:value = '{url(n, draw)}']",
            f"[domain-name:value='h{draw.getrandbits(40):x}.example']",
            f"[file:hashes.'SHA-256' = '{draw.getrandbits(256):064x}']",
            f"[ipv4-addr:value = '198.51.{draw.randrange(256)}.{draw.randrange(256)}']",
        )[n % 4]
        yield {"type": "indicator", "id": one, **common, "indicator_types": ["malicious-activity"], "pattern": pattern,
               "pattern_type": "stix", "pattern_version": "2.1", "valid_from": STAMP}  # fmt: skip
        yield {"type": "relationship", "id": f"relationship--{uuid.uuid5(NAMESPACE, f'r{n}')}", **common,
               "relationship_type": "indicates", "source_ref": one, "target_ref": malware}  # fmt: skip


def misp_event(count: int) -> Iterator[bytes]:
    """An event of URLs as an instance writes it: tags last. Streams: nothing of it is held."""
    draw = random.Random(2)
    head = {"id": "1", "info": "URL feed", "uuid": str(uuid.uuid5(NAMESPACE, "event")), "date": "2026-01-02",
            "timestamp": "1767323045", "distribution": "3", "threat_level_id": "2", "analysis": "2",
            "Orgc": {"name": "A feed", "uuid": str(uuid.uuid5(NAMESPACE, "org"))}}  # fmt: skip
    yield b'{"Event": ' + json.dumps(head).encode()[:-1] + b', "Attribute": ['
    part: list[str] = []
    for n in range(count):
        part.append(json.dumps({
            "id": str(n), "type": "url", "category": "Network activity", "to_ids": True,
            "uuid": str(uuid.UUID(int=draw.getrandbits(128), version=4)), "event_id": "1", "distribution": "5",
            "timestamp": str(1_760_000_000 + n % 7_000_000), "comment": "",
            "sharing_group_id": "0", "deleted": False, "disable_correlation": False, "object_id": "0",
            "object_relation": None, "value": url(n, draw),
        }))  # fmt: skip
        if len(part) == 2000 or n + 1 == count:
            yield ((", " if n >= 2000 else "") + ", ".join(part)).encode()
            part = []
    yield b'], "Tag": [{"name": "tlp:clear"}]}}'


def corpora(folder: Path, data: Path | None, objects: int) -> dict[str, list[Path]]:
    """Sources by kind; real ones unpacked."""
    made = {"stix": folder / f"made-{objects}.stix.json", "misp": folder / f"made-{objects}.misp.json"}
    with made["stix"].open("w") as out:
        out.write(f'{{"type": "bundle", "id": "bundle--{uuid.uuid5(NAMESPACE, "b")}", "objects": [\n')
        for n, one in enumerate(stix_objects(objects)):
            out.write((",\n" if n else "") + json.dumps(one))
        out.write("]}")
    with made["misp"].open("wb") as raw:
        raw.writelines(misp_event(objects))
    found = {kind: [path] for kind, path in made.items()}
    if data:
        attack = folder / "ics-attack.json"
        attack.write_bytes(gzip.decompress((data / "intel/attack/ics-attack-18.1.json.gz").read_bytes()))
        found["stix"] += [*sorted((data / "intel/stix21/amnesty").glob("*.stix2")), attack]
        found["misp"] += [data / "intel/misp_events/echap/stalkerware_misp_event.json"]
    return found


def ours(source: Path, lake: Path, *more: str) -> harness.Cost:
    """Ingest into a new lake; more: further words of the command."""
    shutil.rmtree(lake, ignore_errors=True)
    command = [*harness.noroshi(lake, as_json=True), "ingest", *more, str(source)]
    return harness.ok(harness.run(command), "noroshi")


def counted(cost: harness.Cost, kind: str) -> dict[str, int]:
    """What the run counted, in the words of the peer."""
    (run,) = json.loads(cost.out)["runs"]
    tables = run["tables"]
    if kind == "misp":
        return {"attributes": tables["indicators"]}
    return {"objects": tables["objects"] + tables.get("relations", 0), "patterns": -1}


def compare(kind: str, source: Path, lake: Path, rounds: int, start_s: float) -> dict[str, Any]:
    """Both on one source, by turns."""
    peer = [sys.executable, "-c", STIX_PEER if kind == "stix" else MISP_PEER, str(source)]
    name = "stix2" if kind == "stix" else "pymisp"
    jobs = [
        ("noroshi", lambda: ours(source, lake, "--no-compact")), ("and compaction", lambda: ours(source, lake)),
        (name, lambda: harness.ok(harness.run(peer), name)),
    ]  # fmt: skip
    costs = harness.alternate(rounds, jobs)
    mine, theirs = counted(costs["noroshi"][0], kind), json.loads(costs[name][0].out)
    what = "objects" if kind == "stix" else "attributes"
    if mine[what] != theirs[what]:
        raise SystemExit(f"{source.name}: {mine[what]} {what} against {theirs[what]}")
    size = _by_table(lake)["all"]
    spent = {n: harness.spread(c.cpu_s for c in list_) for n, list_ in costs.items()}
    return {
        "source": source.name, "bytes": source.stat().st_size, what: mine[what], "lake_bytes": size, "cpu_s": spent,
        "rate": mine[what] / spent["noroshi"]["median"],
        "rate_and_compaction": mine[what] / max(spent["and compaction"]["median"] - start_s, 1e-3),
        "rate_without_start": mine[what] / max(spent["noroshi"]["median"] - start_s, 1e-3),
        "peer_rate": mine[what] / spent[name]["median"], "peer": name,
        "rss_mib": {n: max(c.rss_mib for c in list_) for n, list_ in costs.items()},
    }  # fmt: skip


def replay(attributes: int, lake: Path) -> dict[str, Any]:
    """MISP issue 8275: one feed of URLs, streamed into standard input."""
    shutil.rmtree(lake, ignore_errors=True)
    command = [*harness.noroshi(lake, as_json=True), "ingest", "-"]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, env=os.environ | {"NOROSHI_COLOR": "0"}
        )
        sent = 0

        def feed() -> None:
            nonlocal sent
            assert process.stdin
            for part in misp_event(attributes):
                sent += process.stdin.write(part)
            process.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        feeder.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        out.seek(0)
        text = out.read().decode()
    if process.returncode:
        raise SystemExit(f"noroshi ended with {process.returncode}: {text[-2000:]}")
    (run,) = json.loads(text)["runs"]
    if run["tables"]["indicators"] != attributes or run["rejects"]:
        raise SystemExit(f"{run['tables']}, {run['rejects']} rejects")
    fresh = _by_table(lake)
    subprocess.run([*harness.noroshi(lake), "lake", "compact"], check=True, stdout=subprocess.DEVNULL)
    after = _by_table(lake)
    cpu = usage.ru_utime + usage.ru_stime
    return {"attributes": attributes, "bytes": sent, "wall_s": wall, "cpu_s": cpu, "rate": attributes / cpu,
            "rss_mib": usage.ru_maxrss / 1024, "lake_bytes": fresh, "compacted_bytes": after}  # fmt: skip


def _by_table(lake: Path) -> dict[str, int]:
    """Bytes of the files that readers see, by table; what was rewritten stands beside them until `lake vacuum`."""
    found = subprocess.run(
        [sys.executable, "-c", LIVE, str(lake)], check=True, capture_output=True, text=True
    )
    sizes: dict[str, int] = {name: size for name, size in json.loads(found.stdout).items() if size}
    return sizes | {"all": sum(sizes.values())}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=200_001)
    parser.add_argument("--attributes", type=int, default=10_500_000)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=("stix", "misp", "replay"), action="append")
    parser.add_argument("--quick", action="store_true", help="small sizes; shown, not kept")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.objects, options.attributes = 1, 20_001, 100_000
    wanted = options.only or ["stix", "misp", "replay"]
    result: dict[str, Any] = {}
    rows = []
    with tempfile.TemporaryDirectory(prefix="noroshi-intel-") as name:
        folder = Path(name)
        lake = folder / "lake"
        sources = corpora(folder, options.data, options.objects) if set(wanted) - {"replay"} else {}
        for kind in ("stix", "misp"):
            if kind not in wanted:
                continue
            small = folder / f"start.{kind}.json"
            small.write_text('{"type": "bundle", "id": "bundle--1", "objects": []}' if kind == "stix" else
                             '{"Event": {"uuid": "x", "info": "x", "Attribute": []}}')  # fmt: skip
            ours(small, lake)
            start_s = min(ours(small, lake).cpu_s for _ in range(3))
            for source in sources[kind]:
                one = compare(kind, source, lake, options.rounds, start_s) | {"start_cpu_s": start_s}
                result[source.name] = one
                rates = [
                    f"{one[k]:,.0f}"
                    for k in ("rate", "rate_without_start", "rate_and_compaction", "peer_rate")
                ]
                rates[-1] += f" ({one['peer']})"
                rows.append([source.name, *rates, f"{one['rss_mib']['noroshi']:.0f}"])
        if "replay" in wanted:
            one = result["replay"] = replay(options.attributes, lake)
            sizes = [f"{one[k]['all'] / 1e6:,.0f} MB" for k in ("lake_bytes", "compacted_bytes")]
            last = [", compacted ".join(sizes), f"{one['rss_mib']:.0f}"]
            rows.append([f"replay of {options.attributes:,}", f"{one['rate']:,.0f}", "", "", *last])
    table = harness.table(
        ("source", "a CPU second", "without start", "and compaction", "peer, or lake", "peak MiB"), rows
    )
    if options.quick:
        print(table)
    else:
        harness.write("ingest_intel", result, table)


if __name__ == "__main__":
    main()
