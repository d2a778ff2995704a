"""How often indicators are found in texts: lists with a known truth, written into prose as reports write them.

    python -m bench.extraction DATA

DATA is a folder with `intel/` as the tests use it (NOROSHI_DATA). The prose is the procedure sentences of ATT&CK and
sentences of Japanese; the truth is the indicators of ESET's MISP events, Amnesty's bundles and the stalkerware list.
Half of the values (by a hash of them) and of the sentences were looked at while the rules were written; the figures
are of the other half.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from noroshi.model.observable import resolve_one
from noroshi.wire.indicators import find_spans

_TYPES = {
    "ip-dst": "ip", "ip-src": "ip", "domain": "domain", "hostname": "domain", "url": "url", "md5": "md5",
    "sha1": "sha1", "sha256": "sha256", "email-src": "email", "email-dst": "email", "vulnerability": "cve",
}  # fmt: skip
_PATTERN = re.compile(
    r"\[(domain-name|ipv4-addr|url|email-addr|file):(?:value|hashes\.'?[\w-]+'?) ?= ?'([^']+)'\]"
)
_STIX = {"domain-name": "domain", "ipv4-addr": "ip", "url": "url", "email-addr": "email"}
_JAPANESE = (
    "攻撃者は{}と通信する。", "通信先（{}）を遮断した。", "検体は{}である。", "{}、{}などが確認された。",
    "「{}」への接続を試みた。",
)  # fmt: skip
_ENGLISH = (
    "The sample contacts {}.",
    "It was seen at {}, {} and others.",
    "Block {} (see below).",
    '"{}"',
    "- {}",
    "C2: {}",
)


def held_out(text: str) -> bool:
    """True for the half that nobody looked at."""
    return hashlib.sha256(text.encode()).digest()[0] & 1 == 1


def truth(data: Path) -> Iterator[tuple[str, str]]:
    """(kind, value as the list writes it) of every indicator."""
    for path in sorted((data / "intel/misp_events/eset").glob("*.json")):
        whole = json.loads(path.read_text("utf-8"))
        event = whole.get("Event") or whole["response"][0]["Event"]
        attributes = [*event["Attribute"], *(a for o in event.get("Object", []) for a in o["Attribute"])]
        for a in attributes:
            if a["type"] in _TYPES:
                yield _TYPES[a["type"]], a["value"]
    for path in sorted((data / "intel/stix21/amnesty").glob("*.stix2")):
        for item in json.loads(path.read_text("utf-8"))["objects"]:
            for what, value in _PATTERN.findall(item.get("pattern", "")):
                if what in _STIX:
                    yield _STIX[what], value
    event = json.loads((data / "intel/misp_events/echap/stalkerware_misp_event.json").read_text("utf-8"))
    for item in event.get("Object", []):
        for a in item["Attribute"]:
            if a["type"] in _TYPES:
                yield _TYPES[a["type"]], a["value"]


def defanged(kind: str, value: str, rng: random.Random) -> str:
    """A value as reports write it."""
    dot = rng.choice(("[.]", "[.]", "(.)", "[dot]", "{.}", "\\."))
    if kind == "url":
        scheme, mark, rest = value.partition("://")
        scheme = scheme.replace("http", rng.choice(("hxxp", "hXXp", "http")))
        host, slash, path = rest.partition("/")
        return f"{scheme}{rng.choice((mark, mark, '[:]//', '[://]'))}{host.replace('.', dot)}{slash}{path}"
    if kind in ("domain", "ip"):
        return value.replace(".", dot) if rng.random() < 0.5 else dot.join(value.rsplit(".", 1))
    return (
        value.replace("@", rng.choice(("[at]", "@", "[@]"))).replace(".", dot) if kind == "email" else value
    )


def main(data: Path) -> None:
    """Prints the figures."""
    rng = random.Random(20_261_120)
    with open(data / "intel/attack_procedures/procedures.tsv", encoding="utf-8") as file:
        prose = [row["text"] for row in csv.DictReader(file, delimiter="\t") if held_out(row["text"])]
    prose = [text for text in prose if not find_spans(text)]
    values = sorted({(kind, value) for kind, value in truth(data) if held_out(value)})
    for way in ("defanged", "plain"):
        found, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
        samples: list[str] = []
        for kind, value in values:
            known = resolve_one(kind, value)
            if known is None:
                continue
            form = rng.choice(_JAPANESE + _ENGLISH)
            written = defanged(kind, value, rng) if way == "defanged" else value
            text = f"{rng.choice(prose)} {form.replace('{}', written)} {rng.choice(prose)}"
            got = {(f.kind, f.value) for f in find_spans(text)}
            if known in got:
                found[known[0]] += 1
            else:
                missed[known[0]] += 1
                samples.append(f"missed {known[1]} in {form.replace('{}', written)!r}: {sorted(got)}")
            for kind_, value_ in got - {known}:
                wrong[kind_] += 1
                samples.append(f"wrong {kind_} {value_} in {form.replace('{}', written)!r}")
        print(f"{way}: {found.total() + missed.total():,} values in as many texts")
        for kind in sorted({*found, *missed, *wrong}):
            n = found[kind] + missed[kind]
            recall = found[kind] / n if n else 0.0
            precision = found[kind] / (found[kind] + wrong[kind]) if found[kind] + wrong[kind] else 0.0
            print(f"  {kind:8s} n {n:6,}  recall {recall:.4f}  precision {precision:.4f}")
        for line in samples[:12]:
            print("   ", line[:220])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
