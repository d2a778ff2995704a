"""CSV and JSON of any kind with a mapping; docs/mapping.md is executed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.errors import UsageError
from noroshi.observe.mapped import MappedSensor
from tests.observe.intel.listing import read

ROOT = Path(__file__).parents[2]
SENSOR = MappedSensor()


def documented() -> dict[str, str]:
    """The files that docs/mapping.md shows, by name."""
    text = (ROOT / "docs" / "mapping.md").read_text("utf-8")
    return dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", text, re.S))


def mapped(tmp_path: Path, mapping: str, data: bytes) -> tuple[dict[str, list[dict[str, Any]]], Any]:
    path = tmp_path / "mapping.toml"
    path.write_text(mapping, "utf-8")
    return read(SENSOR, data, name="file", options={"mapping": path})


@pytest.mark.parametrize("name", ["blocked.csv", "samples.csv", "cases.json", "assets.csv"])
def test_the_documents_examples(tmp_path: Path, name: str) -> None:
    files = documented()
    encoding = "cp932" if name == "assets.csv" else "utf-8"
    tables, rejects = mapped(tmp_path, files[f"{name.partition('.')[0]}.toml"], files[name].encode(encoding))
    assert rejects == []
    ((table, rows),) = tables.items()
    if table == "indicators":
        assert [(r["kind"], r["value"], r["role"]) for r in rows] == [
            ("ip", "192.0.2.10", "c2"), ("url", "http://evil.example.com/a.php", "download"),
            ("prefix", "198.51.100.0/24", "scanner"),
        ]  # fmt: skip
        assert str(rows[0]["first_seen"]) == "2024-05-02 00:00:00+00:00"
        assert {(r["origin"], r["confidence"]) for r in rows} == {("our firewall", 80)}
        assert rows[1]["raw"] == "hxxp://evil[.]example[.]com/a.php"
        assert rows[2]["comment"] is None
    elif table == "files":
        assert rows[0]["names"] == ["a.exe", "b.exe"]
        assert (rows[0]["size"], rows[0]["families"]) == (0, ["Emotet"])
    elif table == "incidents":
        assert rows[0]["incident_id"] == "17"
        assert rows[0]["status"] == "open"
        assert rows[0]["values"] == [
            "domain c2.evil.example.net", "ip 192.0.2.7", "cve CVE-2021-44228", "email user@evil.example.com",
        ]  # fmt: skip
        assert str(rows[0]["ts"]) == "2024-05-02 00:00:00+00:00"
    else:
        assert [(r["kind"], r["value"], r["name"]) for r in rows] == [
            ("prefix", "192.0.2.0/24", "本社"), ("domain", "www.example.com", "公開Web"),
        ]  # fmt: skip


EVENTS = """
table = "events"
[columns]
ts = "time"
ip = "address"
port = "port"
hashes = "hash"
feed = "feed"
"""


def test_events(tmp_path: Path) -> None:
    data = (
        b"time,address,port,hash,feed\n2024-05-01T00:00:00Z,192.0.2.1,80,D41D8CD98F00B204E9800998ECF8427E,x\n"
        b",192.0.2.2,80,,x\n2024-05-01,no,99999999999,,\nnever,192.0.2.3,1,,x\n2024-05-01,192.0.2.4,-5\n"
    )
    tables, rejects = mapped(tmp_path, EVENTS, data)
    assert [r["ip"] for r in tables["events"]] == [b"\x04\xc0\x00\x02\x01", None]
    assert tables["events"][0]["hashes"] == ["md5 d41d8cd98f00b204e9800998ecf8427e"]
    assert tables["events"][1]["feed"] == "file"
    assert [r.reason for r in rejects] == ["record", "cell", "cell", "record", "columns"]


def test_ndjson_and_lists(tmp_path: Path) -> None:
    mapping = 'table = "indicators"\nformat = "json"\n[columns]\nvalue = ["a.b", "c"]\nlabels = ["t", "u"]\n'
    lines = b'{"a": {"b": "192.0.2.1"}, "t": ["x", "y"], "u": "z,x"}\n{"c": "evil.example.com"}\nnot json\n{"c": 5}\n'
    tables, rejects = mapped(tmp_path, mapping, lines)
    assert [(r["value"], r["labels"]) for r in tables["indicators"]] == [
        ("192.0.2.1", ["x", "y", "z"]), ("evil.example.com", None),
    ]  # fmt: skip
    assert sorted(r.reason for r in rejects) == ["json", "record"]
    whole, _ = mapped(tmp_path, mapping, b'[{"c": "192.0.2.9"}, 7]')
    assert [r["value"] for r in whole["indicators"]] == ["192.0.2.9"]


def test_a_file_without_the_columns(tmp_path: Path) -> None:
    tables, rejects = mapped(
        tmp_path, 'table = "assets"\n[columns]\nvalue = "IP"\n', b"ip,name\n192.0.2.1,x\n"
    )
    assert tables == {}
    assert [r.reason for r in rejects] == ["mapping"]
    assert "'IP'" in rejects[0].detail
    assert "ip, name" in rejects[0].detail


def test_without_a_mapping() -> None:
    with pytest.raises(UsageError, match="needs a mapping"):
        read(SENSOR, b"a,b\n")
    assert not SENSOR.sniff(b"a,b\n1,2\n")


def test_truncated(tmp_path: Path) -> None:
    files = documented()
    for name in ("blocked.csv", "cases.json"):
        data = files[name].encode()
        for cut in range(0, len(data), 17):
            mapped(tmp_path, files[f"{name.partition('.')[0]}.toml"], data[:cut])


_CELLS = st.sampled_from(
    [
        "192.0.2.1",
        "x",
        '"',
        ",",
        "\n",
        "2024-05-01",
        "-1",
        "9" * 30,
        "\0",
        "é",
        "[",
        "{}",
        '{"a":1}',
        "evil[.]com",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(_CELLS, max_size=30).map(lambda c: ",".join(c).encode())))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    place = tmp_path_factory.mktemp("m")
    for table, extra in (
        ("indicators", 'value = "a"\nfirst_seen = "b"\n'),
        ("events", 'ts = "a"\nport = "b"\nip = "c"\n'),
    ):
        mapped(place, f'table = "{table}"\n[columns]\n{extra}', b"a,b,c\n" + data)
        mapped(place, f'table = "{table}"\nformat = "json"\n[columns]\n{extra}', data)
