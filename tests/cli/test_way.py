"""Whole ways by the command line on real captures: what a user types, in the order they type it."""

from __future__ import annotations

import gzip
import lzma
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.cli.support import Ran, noroshi
from tests.support import packets as p
from tests.support.darkdata import SAMPLES

TRACE = SAMPLES / "darknet" / "ncsa_backscatter_12h.pcap"
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
    ".xz": lzma.compress,
}
FACTS = "SELECT count(*) AS n, sum(packet_count) AS packets, bit_xor(hash(src_ip, dst_ip, first_seen)) AS h FROM flows"


class At:
    """`noroshi` on one lake."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake

    def __call__(self, *args: object, stdin: bytes = b"") -> Ran:
        return noroshi("--lake", self.lake, *args, stdin=stdin)

    def facts(self) -> Any:
        """The rows of `flows`, summed."""
        return self("sql", "--json", FACTS).json[0]

    def configure(self, text: str) -> None:
        """Writes noroshi.toml beside the tables."""
        (self.lake / "noroshi.toml").write_text(text, "utf-8")


@pytest.fixture
def at(tmp_path: Path) -> At:
    """`noroshi` on a lake that is not there yet."""
    return At(tmp_path / "lake")


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("piped", [False, True], ids=["file", "stdin"])
def test_a_capture_plain_packed_or_piped_gives_the_same_rows(
    at: At, tmp_path: Path, suffix: str, piped: bool
) -> None:
    path = tmp_path / f"a.pcap{suffix}"
    path.write_bytes(PACKED[suffix](TRACE.read_bytes()))
    ran = at("ingest", "-", "--json", stdin=path.read_bytes()) if piped else at("ingest", path, "--json")
    assert ran.code == 0, ran.err
    (run,) = ran.json["runs"]
    assert (run["path"], run["tables"]["flows"]) == ("-" if piped else str(path), 2940)
    plain = At(tmp_path / "plain")
    plain("ingest", TRACE)
    assert at.facts() == plain.facts()
    again = at("ingest", "-", stdin=path.read_bytes()) if piped else at("ingest", path)
    assert "Nothing new was stored, 1 known already." in again.err
    assert at.facts() == plain.facts()


def test_guess_paste_analyse_without_reading_again(at: At) -> None:
    """No telescope: facts are stored, analysers say what they miss; a guess pasted in is all it takes."""
    assert at("ingest", TRACE).code == 0
    first = at("analyse")
    assert first.code == 0
    assert "dos-victim" in first.err
    assert "telescope guess" in first.err
    assert at("findings", "--json", "--kind", "dos-victim").json == []
    guess = at("telescope", "guess")
    assert 'prefixes = ["192.150.186.0/23"]' in guess.out
    assert at("telescope", "guess", "--json").json[0]["prefix"] == "192.150.186.0/23"
    at.configure(guess.out)
    before = at("sql", "--json", "SELECT count(*) AS n FROM runs").json
    second = at("analyse", "--json")
    assert [f["subject"]["value"] for f in second.json if f["kind"] == "dos-victim"] == ["202.229.120.98"]
    assert at("sql", "--json", "SELECT count(*) AS n FROM runs").json == before, "nothing was read again"
    assert at("analyse", "--json").json == []


def test_a_telescope_that_changes_changes_what_was_found(at: At) -> None:
    at("ingest", TRACE)
    entry = '[[telescope]]\nname = "t"\nprefixes = ["{}"]\n'
    at.configure(entry.format("192.150.186.0/23"))
    (first,) = [f for f in at("analyse", "--json").json if f["kind"] == "dos-victim"]
    at.configure(entry.format("192.150.186.0/24"))
    changed = {f["id"]: f for f in at("analyse", "--json").json if f["kind"] == "dos-victim"}
    assert changed[first["id"]]["change"] == "changed"
    sizes = [f["evidence"]["size"] for f in (first, changed[first["id"]])]
    assert sizes[1] < sizes[0]
    at.configure("")
    withdrawn = {f["id"]: f["change"] for f in at("analyse", "--json").json}
    assert withdrawn[first["id"]] == "withdrawn"
    assert at("findings", "--json", "--kind", "dos-victim").json == []


def test_newer_rules_tag_what_is_stored_and_analyse_says_so(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import resources

    from noroshi.observe.darknet import rules, tagging

    at("ingest", SAMPLES / "darknet" / "ncsa_scan_with_zero_windows.pcap")
    at("analyse")
    tools = "SELECT DISTINCT tool, rules_version AS v FROM flows WHERE tool <> ''"
    old = at("sql", "--json", tools).json
    assert [r["tool"] for r in old] == ["zero-window"]
    text = resources.files("noroshi.observe.darknet").joinpath("fingerprints.toml").read_text("utf-8")
    newer = text.replace("\nversion = ", "\nversion = 9", 1).replace('"zero-window"', '"zero-window-2"')
    found = rules.parse(newer)
    monkeypatch.setattr(rules, "current", lambda: found)
    monkeypatch.setattr(tagging, "current", lambda: found)
    monkeypatch.setattr(rules, "RULES_VERSION", found.version)
    ran = at("analyse")
    assert "of 10 stored rows: 9 from zero-window (scan) to zero-window-2 (scan), 1 from" in " ".join(
        ran.err.split()
    )
    assert at("sql", "--json", tools).json == [{"tool": "zero-window-2", "v": found.version}]
    assert "Newer" not in at("analyse").err


def test_why_leads_from_a_finding_to_its_row_in_the_capture(at: At) -> None:
    at("ingest", TRACE)
    at.configure('[[telescope]]\nname = "t"\nprefixes = ["192.150.186.0/23"]\n')
    (victim,) = [f for f in at("analyse", "--json").json if f["kind"] == "dos-victim"]
    why = at("why", victim["id"][:8])
    assert why.code == 0
    assert "202.229.120.98" in why.out
    assert str(TRACE) in why.out
    answer = at("why", victim["id"], "--json").json
    assert at("sql", "--json", answer["sql"]).json
    row = at("sql", "--json", 'SELECT run_id, "offset", src_ip FROM flows LIMIT 1').json[0]
    told = at("why", f"{row['run_id'][:8]}:{row['offset']}")
    assert row["src_ip"] in told.out
    assert str(TRACE) in told.out


def test_a_folder_of_mixed_rubbish(at: At, tmp_path: Path) -> None:
    """Readable rows kept, the rest in rejects with position and reason, a line each, status 3."""
    folder = tmp_path / "in"
    folder.mkdir()
    raw = TRACE.read_bytes()
    (folder / "good.pcap").write_bytes(raw)
    (folder / "cut.pcap").write_bytes(raw[:1000])
    (folder / "README.md").write_text("# What this is\n狼煙\n")
    (folder / "LICENSE").write_text("Apache\n")
    (folder / "noise.pcap").write_bytes(bytes(range(1, 256)) * 9)
    (folder / "empty.pcap").write_bytes(b"")
    (folder / "lost").symlink_to("nowhere")
    ran = at("ingest", folder)
    assert ran.code == 3
    assert "2 sources, each is plain text, which is no format Noroshi reads" in ran.err
    assert "Stored 2 sources (1 in part), 5 not read." in ran.err
    assert "Traceback" not in ran.err
    rows = at("sql", "--json", "SELECT path, position, reason FROM rejects").json
    found = {Path(r["path"]).name: (r["position"], r["reason"]) for r in rows}
    assert found == {
        "cut.pcap": (936, "record-cut"), "README.md": (0, "unknown-format"), "LICENSE": (0, "unknown-format"),
        "noise.pcap": (0, "unknown-format"), "empty.pcap": (0, "empty"), "lost": (0, "broken-link"),
    }  # fmt: skip
    assert at.facts()["n"] == 2940 + 12
    named = at("ingest", tmp_path / "none.pcap")
    assert named.code == 3
    assert "none.pcap: there is no such file\n" in named.err


def waits(until: Any, seconds: float = 60.0) -> None:
    """Returns once `until()` holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_follow_prints_as_it_goes_and_ends_clean_on_sigterm(at: At, tmp_path: Path) -> None:
    folder, words = tmp_path / "in", tmp_path / "words"
    folder.mkdir()
    with words.open("wb") as err, subprocess.Popen(
        [sys.executable, "-m", "noroshi.cli.main", "--lake", str(at.lake), "ingest", "--follow", str(folder),
         "--settle", "0s", "--tlp", "green", "--source", "sensor-1", "--workers", "1"],
        stderr=err,
    ) as process:  # fmt: skip
        try:
            waits(lambda: b"Watching" in words.read_bytes())
            shutil.copyfile(TRACE, folder / "a.pcap.part")
            (folder / "a.pcap.part").rename(folder / "a.pcap")
            waits(lambda: b"a.pcap: 2,940 rows" in words.read_bytes())
            row = at("sql", "--json", "SELECT path, source, tlp FROM runs WHERE state = 'closed'").json[0]
            assert (row["source"], row["tlp"].lower().removeprefix("tlp:")) == ("sensor-1", "green")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()
    assert "Stored 1 source. Next: noroshi" in words.read_text()
    assert at("lake", "verify").code == 0
    assert sorted(p.name for p in folder.iterdir()) == ["a.pcap"], "nothing is moved or deleted"
    again = at("ingest", "--follow", folder, "--settle", "0s", "--once", "--source", "sensor-1")
    assert (again.code, at.facts()["n"]) == (0, 2940)


def test_reports_of_a_month_and_a_year_by_command(at: At, tmp_path: Path) -> None:
    at("ingest", TRACE)
    at.configure('[[telescope]]\nname = "t"\nprefixes = ["192.150.186.0/23"]\n')
    at("analyse")
    for period, label in (
        ("month", "2009-03"),
        ("year", "2009"),
        ("week", "2009-W11"),
        ("2009-03-15", "2009-03-15"),
    ):
        ran = at(
            "report", "--period", period, "--lang", "en", "--lang", "ja", "--out", tmp_path / "out", "--json"
        )
        assert ran.code == 0, ran.err
        names = {Path(f).name for f in ran.json["files"]}
        assert {f"noroshi-{label}.{rest}" for rest in ("en.html", "ja.html", "en.md", "json")} <= names
        page = (tmp_path / "out" / f"noroshi-{label}.en.html").read_text("utf-8")
        assert "202.229.120.98" in page
    assert at("report", "--period", "fortnight").code == 2


def test_countries_and_networks_from_a_table_the_user_gives(at: At, tmp_path: Path) -> None:
    """Relative to noroshi.toml; without one the report says so."""
    at("ingest", SAMPLES / "darknet" / "ncsa_445_scan.pcap")
    telescope = '[[telescope]]\nname = "t"\nprefixes = ["10.0.0.0/8", "192.168.0.0/16", "141.142.0.0/16"]\n'
    at.configure(telescope)
    page = tmp_path / "out" / "noroshi-2017-09.en.md"
    assert at("report", "--period", "2017-09", "--out", tmp_path / "out").code == 0
    assert "No country table is configured" in page.read_text("utf-8")
    (at.lake / "country.tsv").write_text("176.0.0.0\t176.255.255.255\tRU\n", "utf-8")
    at.configure(telescope + '[context]\ncountry = "country.tsv"\n')
    assert at("report", "--period", "2017-09", "--out", tmp_path / "out").code == 0
    assert "No country table is configured" not in page.read_text("utf-8")
    assert "| Russia (RU) | " in page.read_text("utf-8")
    at.configure(telescope + '[context]\ncountry = "gone.tsv"\n')
    missing = at("report", "--period", "2017-09", "--out", tmp_path / "out")
    assert missing.code == 2
    assert "gone.tsv" in missing.err


def test_packets_that_cannot_be_read_are_told_and_the_rest_is_kept(at: At, tmp_path: Path) -> None:
    whole = p.ethernet(p.syn("203.0.113.5", "198.51.100.7", 23))
    path = tmp_path / "cut.pcap"
    path.write_bytes(p.pcap([whole, whole[:40], (0, whole), (4_294_967_295_000_000, whole), whole]))
    ran = at("ingest", path)
    assert ran.code == 3
    assert "3 pieces could not be read (time 2, transport-cut 1), the first at byte" in ran.err
    assert at.facts()["packets"] == 2
    counted = (
        "SELECT reason, count(*)::INT AS n, min(position) > 0 AS placed FROM rejects GROUP BY 1 ORDER BY 1"
    )
    assert at("sql", "--json", counted).json == [
        {"reason": "time", "n": 2, "placed": True},
        {"reason": "transport-cut", "n": 1, "placed": True},
    ]
