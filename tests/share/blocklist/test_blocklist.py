"""What a list holds, until when, and that firewalls and name servers read it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import Config, File, load
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from noroshi.share.anonymise.mask import Plain
from noroshi.share.blocklist import formats
from noroshi.share.blocklist.select import Chosen, Entry, Terms, choose
from noroshi.share.gate import View
from noroshi.work import blocklist
from noroshi.work.gate import open_view, recipient
from noroshi.work.ingest import ingest
from tests.support.findings import finding
from tests.support.need import tool

NOW = datetime(2024, 4, 2, tzinfo=UTC)
SEEN = NOW - timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def one(kind: str, value: str, **more: Any) -> Any:
    return finding(kind, value, **({"first_seen": SEEN, "last_seen": SEEN} | more))


def view(lake: Lake, to: str = "own", now: datetime = NOW) -> View:
    return replace(open_view(lake, load(None), recipient(to), now=now), mask=Plain())


def put(lake: Lake, *found: Any) -> None:
    lake.put_findings(list(found), [])


def listed(chosen: Chosen) -> list[str]:
    return [e.value for e in chosen.entries]


def test_attackers_are_listed_and_others_are_not(lake: Lake) -> None:
    put(
        lake, one("scanner", "9.0.0.1"), one("infected-host", "9.0.0.2"), one("decoy-intrusion", "2400:cb00::1"),
        one("scanner", "9.1.0.0/24"), one("scanner", "9.0.0.3"), one("dos-victim", "9.0.0.3"),
        one("scanner", "9.0.0.4"), one("investigation-scanner", "9.0.0.4"), one("vulnerable-service", "9.0.0.5"),
        one("scanner", "192.168.1.1"), one("scanner", "9.7.0.9"), one("port-surge", "tcp/23"),
    )  # fmt: skip
    chosen = choose(view(lake), Terms(never=("9.7.0.0/16",)))
    assert listed(chosen) == ["9.0.0.1", "9.0.0.2", "2400:cb00::1", "9.1.0.0/24"]
    assert chosen.left_out == {
        "it is a victim": 1, "it is our own": 1, "it is special (RFC 6890)": 1, "it scans for research": 1,
    }  # fmt: skip


def test_confidence_halves_with_time_until_the_floor(lake: Lake) -> None:
    put(lake, one("scanner", "9.0.0.1", confidence=80))
    (entry,) = choose(view(lake), Terms(floor=40)).entries
    assert entry.until == SEEN + timedelta(days=14)
    assert entry.confidence == 76
    assert listed(choose(view(lake, now=SEEN + timedelta(days=13)), Terms(floor=40))) == ["9.0.0.1"]
    gone = choose(view(lake, now=SEEN + timedelta(days=14)), Terms(floor=40))
    assert (listed(gone), gone.left_out) == ([], {"it has expired": 1})
    assert listed(choose(view(lake), Terms(floor=81))) == []
    (short,) = choose(view(lake), Terms(floor=40, longest=timedelta(days=3))).entries
    assert short.until == SEEN + timedelta(days=3)


def test_statements_meant_for_detection_are_listed(lake: Lake, tmp_path: Path) -> None:
    event = {"Event": {
        "uuid": "5f2e3a54-0000-4000-8000-0000000000aa", "info": "x", "date": "2024-04-01", "timestamp": "1711929600",
        "analysis": "2", "threat_level_id": "2", "Attribute": [
            {"type": t, "value": v, "category": "Network activity", "to_ids": ids, "timestamp": "1711929600",
             "uuid": f"5f2e3a54-0000-4000-8000-00000000000{n}"}
            for n, (t, v, ids) in enumerate([
                ("domain", "evil.com", True), ("ip-dst", "9.0.0.8", True), ("domain", "mentioned.com", False),
                ("domain", "sub.example.com", True), ("url", "http://evil.com/x", True)])],
    }}  # fmt: skip
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    ingest(lake, [path], config=load(None), tlp=Tlp.GREEN)
    chosen = choose(view(lake), Terms())
    assert listed(chosen) == ["evil.com", "9.0.0.8"]
    assert listed(choose(view(lake, "public"), Terms())) == []


def test_warninglists_and_assets_are_never_blocked(lake: Lake, tmp_path: Path) -> None:
    lists = {
        "name": "Public resolvers", "version": 1, "description": "x", "type": "cidr", "matching_attributes": ["ip-dst"],
        "list": ["9.9.9.9/32", "9.8.0.0/16"],
    }  # fmt: skip
    (tmp_path / "list.json").write_text(json.dumps(lists))
    (tmp_path / "assets.csv").write_text("value,name,owner,contact\n9.6.0.0/16,office,us,a@example.net\n")
    done = ingest(lake, [tmp_path / "list.json", tmp_path / "assets.csv"], config=load(None), tlp=Tlp.CLEAR)
    assert not [r.problem for r in done if r.problem]
    put(lake, *(one("scanner", v) for v in ("9.9.9.9", "9.8.7.6", "9.6.1.1", "9.5.0.1")))
    chosen = choose(view(lake), Terms())
    assert listed(chosen) == ["9.5.0.1"]
    assert chosen.left_out == {"it is our own": 1, "it stands on a warninglist": 2}


class Shifting:
    """Masks one address as another that exists."""

    profile = "shifting"

    def value(self, kind: str, value: str, role: str = "") -> str | None:
        return value.replace("9.0.0.1", "9.0.0.2")

    def finding(self, found: Any) -> Any:
        from noroshi.model.finding import Subject

        return replace(
            found, subject=Subject(found.subject.kind, self.value("ip", found.subject.value) or "")
        )

    def table(self, name: str, rows: Any) -> Any:
        return rows

    def text(self, text: str) -> str | None:
        return text

    def object(self, thing: dict[str, Any]) -> dict[str, Any] | None:
        return thing


def test_what_was_masked_is_never_blocked(lake: Lake) -> None:
    put(lake, one("scanner", "9.0.0.1"), one("scanner", "9.0.0.9"))
    assert listed(choose(replace(view(lake), mask=Shifting()), Terms())) == ["9.0.0.9"]


def test_what_is_released_is_on_no_list_and_the_log_says_who(lake: Lake) -> None:
    put(lake, one("scanner", "9.0.0.1"), one("scanner", "9.1.0.0/24"), one("scanner", "9.0.0.2"))
    state = State(lake.path)
    assert blocklist.release(state, " 9.0.0.1 ", "customer called", "cli:ann") == ("ip", "9.0.0.1", True)
    assert blocklist.release(state, "9.0.0.1", "again", "cli:ann")[2] is False
    blocklist.release(state, "9.1.0.7", "inside a network", "cli:ann")
    terms = blocklist.terms(Config(File(), None), state)
    chosen = choose(view(lake), terms)
    assert listed(chosen) == ["9.0.0.2"]  # a network that holds a released address may not be blocked either
    assert chosen.left_out == {"it was released": 2}
    told = state.audit.newest(action="release")
    assert [(e.actor, e.detail["value"], e.detail["reason"]) for e in told][-1] == (
        "cli:ann", "9.0.0.1", "customer called",
    )  # fmt: skip
    blocklist.take_back(state, "9.0.0.1", "cli:ann")
    assert listed(choose(view(lake), blocklist.terms(Config(File(), None), state))) == ["9.0.0.1", "9.0.0.2"]
    with pytest.raises(UsageError, match="not released"):
        blocklist.take_back(state, "9.0.0.1", "cli:ann")
    with pytest.raises(UsageError, match="neither"):
        blocklist.release(state, "http://x/", "y", "cli:ann")
    with pytest.raises(UsageError, match="no reason"):
        blocklist.release(state, "9.0.0.1", " ", "cli:ann")


# Formats ----------------------------------------------------------------------------------------------------
def chosen() -> Chosen:
    def entry(kind: str, value: str, days: float = 3.5) -> Entry:
        return Entry(kind, value, NOW + timedelta(days=days), 80, ("scanner",))

    return Chosen((
        entry("domain", "evil.com"), entry("domain", "xn--bcher-kva.example.net"), entry("domain", "bad name.com"),
        entry("ip", "9.0.0.1"), entry("ip", "255.255.255.254", 0.00001), entry("ip", "2400:cb00::1"),
        entry("ip", "2400:cb00:1:2:3:4:5:6"), entry("prefix", "9.1.0.0/24"), entry("prefix", "9.1.0.128/25"),
        entry("prefix", "9.1.1.0/24"), entry("prefix", "2400:cb00:2::/48"),
    ))  # fmt: skip


def test_nftables_takes_the_list_and_takes_it_again(tmp_path: Path) -> None:
    nft = tool("nft", "nftables")
    path = tmp_path / "list.nft"
    path.write_bytes(formats.nftables(chosen(), NOW))
    unshare = shutil.which("unshare")
    inside = [unshare, "-rn"] if unshare else []
    script = f"{nft} -f {path} && {nft} -f {path} && {nft} -j list ruleset"
    done = subprocess.run(
        [*inside, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode and ("ermitted" in done.stderr or "unshare" in done.stderr):
        pytest.skip(f"no network namespace here: {done.stderr.strip()[:200]}")
    assert done.returncode == 0, done.stderr
    sets = {
        s["set"]["name"]: s["set"].get("elem", []) for s in json.loads(done.stdout)["nftables"] if "set" in s
    }
    assert {k: len(v) for k, v in sets.items()} == {"blocked4": 2, "blocked6": 2, "nets4": 2, "nets6": 1}
    timeouts = {str(e["elem"]["val"]): e["elem"]["timeout"] for e in sets["blocked4"]}
    assert timeouts == {"9.0.0.1": 302_400, "255.255.255.254": 1}


def test_an_empty_list_empties_the_sets() -> None:
    text = formats.nftables(Chosen(()), NOW).decode()
    assert text.count("flush set") == 4
    assert "add element" not in text


def test_name_servers_take_the_zone(tmp_path: Path) -> None:
    check = tool("named-checkzone", "bind9-utils")
    path = tmp_path / "zone"
    path.write_bytes(formats.rpz(chosen(), NOW))
    done = subprocess.run([check, "-D", "-o", "-", "rpz.noroshi.invalid", str(path)], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    names = {
        line.split()[0].removesuffix(".rpz.noroshi.invalid.")
        for line in done.stdout.splitlines()
        if "CNAME" in line
    }
    assert names == {
        "evil.com", "*.evil.com", "xn--bcher-kva.example.net", "*.xn--bcher-kva.example.net", "32.1.0.0.9.rpz-ip",
        "32.254.255.255.255.rpz-ip", "128.1.zz.cb00.2400.rpz-ip", "128.6.5.4.3.2.1.cb00.2400.rpz-ip",
        "24.0.0.1.9.rpz-ip", "25.128.0.1.9.rpz-ip", "24.0.1.1.9.rpz-ip", "48.zz.2.cb00.2400.rpz-ip",
    }  # fmt: skip


def test_the_serial_grows_with_the_content_and_only_with_it() -> None:
    first = formats.rpz(chosen(), NOW)
    assert formats.rpz(chosen(), NOW + timedelta(days=1), first) == first
    fewer = Chosen(chosen().entries[:3])
    later = formats.rpz(fewer, NOW + timedelta(days=1), first)
    back = formats.rpz(chosen(), NOW - timedelta(days=9), later)  # a clock that was set back
    serials = [int(z.split(b"\n")[3].split()[0]) for z in (first, later, back)]
    assert serials == sorted(set(serials))
    for junk in (b"x", b"\n  99999999999 ; serial\n", b"    4294967295 ; serial"):
        assert b"; serial" in formats.rpz(chosen(), NOW, junk)
    with pytest.raises(UsageError, match="no name of a zone"):
        formats.rpz(chosen(), NOW, origin="a b\n$INCLUDE /etc/passwd")


def test_plain_text_is_one_value_a_line() -> None:
    lines = formats.plain(Chosen(chosen().entries[1:5])).decode().splitlines()
    assert lines == ["9.0.0.1", "255.255.255.254", "xn--bcher-kva.example.net", "bad name.com"]


@pytest.mark.parametrize("format", blocklist.FORMATS)
def test_the_file_is_written_whole_and_logged(lake: Lake, tmp_path: Path, format: str) -> None:
    now = datetime.now(UTC)
    put(
        lake,
        one("scanner", "9.0.0.1", first_seen=now, last_seen=now),
        one("scanner", "9.7.0.1", first_seen=now, last_seen=now),
    )
    config = Config(File(own=["9.7.0.0/16"]), None)
    out = tmp_path / "out" / "list"
    done = blocklist.share_blocklist(
        lake, config=config, recipient="own", path=out, format=format, who="cli:ann"
    )
    assert [e.value for e in done.chosen.entries] == ["9.0.0.1"]
    assert out.read_bytes() == done.body
    assert b"9.7.0.1" not in done.body
    (entry,) = State(lake.path).audit.newest(action="export")
    assert (entry.recipient, entry.count, entry.detail["format"]) == ("own", 1, f"blocklist-{format}")
