"""How well `shared-value` tells what ties documents together from junk, on corpora its rule was not written on.

    python -m bench.junk DATA

DATA is a folder with `intel/` as the tests use it (NOROSHI_DATA). The rule was developed on ESET's, PyMISP's and
echap's MISP documents and MISP's galaxies; judged are values shared with Unit 42 (STIX 2.0), Amnesty (STIX 2.1),
OASIS' examples and ATT&CK. The truth is independent of Noroshi's readers: every value, name, alias, hash, URL and
pattern literal of every JSON document, compared as lower-case text; junk among what corpora share was labelled by
hand. The rule was not changed for what the judged corpora showed. The labels were written when it had been run once,
so they are not blind; of the names that only ATT&CK and galaxies share, 120 drawn by chance were read (all real) and
the others count as real.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

DEVELOPED = {
    "ESET": "misp_events/eset/*.json",
    "PyMISP": "misp_events/pymisp_tests/*.json",
    "echap": "misp_events/echap/*.json",
    "galaxy": "galaxy/*.json",
}
JUDGED = {
    "Unit42": "stix20/unit42/*.json",
    "Amnesty": "stix21/amnesty/*.stix2",
    "OASIS": "oasis/**/*.json",
    "ATT&CK": "attack/*",
}
JUNK = {
    "bar": "placeholder", "foo": "placeholder", "command": "word of a schema", "file": "word of a schema",
    "malware": "word of a schema", "tool": "word of a schema", "payload": "word of a schema",
    "sha-256": "word of a schema", "botnet": "word of a schema", "python": "language", "powershell": "technique",
    "vnc": "protocol", "whois": "protocol", "email collection": "technique", "pass the hash": "technique",
    "component object model hijacking": "technique", "screen capture": "technique", "phishing": "technique",
    "lateral movement": "tactic", "privilege escalation": "tactic",
}  # fmt: skip
"""Hand labels. Beside these every web page that documents cite is a reference: it says where a report stands."""
_LITERAL = re.compile(r"'((?:[^'\\]|\\.)*)'")
_KEYS = ("value", "name", "aliases", "synonyms", "x_mitre_aliases", "url", "display_name", "filename")


def _strings(thing: Any, key: str = "") -> Iterator[str]:
    if isinstance(thing, dict):
        for k, v in thing.items():
            if k == "pattern" and isinstance(v, str):
                yield from _LITERAL.findall(v)
            elif k == "hashes" and isinstance(v, dict):
                yield from (x for x in v.values() if isinstance(x, str))
            else:
                yield from _strings(v, k)
    elif isinstance(thing, list):
        for v in thing:
            yield from _strings(v, key)
    elif isinstance(thing, str) and key in _KEYS:
        yield thing
        if key == "value":
            yield from thing.split("|")


def shared(root: Path) -> dict[str, set[str]]:
    """Lower-case values that stand in two corpora or more, one of them judged: which they are."""
    out: defaultdict[str, set[str]] = defaultdict(set)
    for corpus, pattern in (DEVELOPED | JUDGED).items():
        for path in sorted(p for p in root.glob(pattern) if p.is_file()):
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            try:
                document = json.loads(raw)
            except ValueError:
                continue
            for text in _strings(document):
                out[" ".join(text.split()).lower()].add(corpus)
    return {v: c for v, c in out.items() if len(c) > 1 and c & JUDGED.keys()}


def found(root: Path, folder: Path) -> set[str]:
    """Values that `shared-value` tells in a lake of all corpora and the warninglists."""
    from noroshi.analyse.cross.shared_value import SharedValue
    from noroshi.config import load
    from noroshi.lake.handle import Lake
    from noroshi.model.analyser import Scope
    from noroshi.work.ingest import ingest

    lake = Lake.open(folder / "lake")
    for corpus, pattern in (DEVELOPED | JUDGED | {"warninglists": "warninglists/*.json"}).items():
        paths = sorted(p for p in root.glob(pattern) if p.is_file())
        ingest(lake, paths, config=load(None), source_name=corpus)
    analyser = SharedValue()
    scope = Scope(date(2026, 1, 1), None, 0.0, options={"max_findings": 1e9})
    query = lake.snapshot().restricted(memory=500_000_000)
    return {f.subject.value for f in analyser.judge(analyser.reduce(query, scope), scope)}


def interval(hits: int, n: int) -> str:
    """Share with its 95 % interval (Wilson, 1927)."""
    if not n:
        return "none"
    p, z = hits / n, 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = max(0.0, (middle - half) / (1 + z * z / n)), (middle + half) / (1 + z * z / n)
    return f"{hits} of {n} = {p:.1%} ({low:.1%} to {high:.1%})"


def main(data: Path) -> None:
    """Prints the figures."""
    truth = shared(data / "intel")
    with tempfile.TemporaryDirectory() as folder:
        told = found(data / "intel", Path(folder))
    junk = {v for v in truth if v in JUNK or v.startswith(("http://", "https://"))}
    real = set(truth) - junk
    names_only = {v for v in real if truth[v] == {"ATT&CK", "galaxy"}}
    print(f"values shared by corpora: {len(truth)}; junk by hand: {len(junk)}")
    print("found of the real ones:", interval(len(real & told), len(real)))
    print("  in two dictionaries (ATT&CK, galaxies):", interval(len(names_only & told), len(names_only)))
    print("  others:", interval(len((real - names_only) & told), len(real - names_only)))
    print("junk that joined:", interval(len(junk & told), len(junk)))
    shown = told & set(truth)
    print("right of those told:", interval(len(shown & real), len(shown)))
    print("missed:", ", ".join(sorted(real - told)))
    print("junk told:", ", ".join(sorted(junk & told)) or "none")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
