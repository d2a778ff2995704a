"""`noroshi config`."""

from __future__ import annotations

from pathlib import Path

from tests.cli.support import noroshi

GOOD = """
own = ["198.51.100.0/24"]
timezone = "Asia/Tokyo"
[[telescope]]
name = "campus"
prefixes = ["192.0.2.0/24"]
live = [{from = 2024-04-01T00:00:00Z}]
"""

TWO = """[[telescope]]
name = "a"
prefixes = ["192.0.2.0/24"]
{}
[[telescope]]
name = "b"
prefixes = ["2001:db8::/32", "192.0.2.128/25"]
{}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "noroshi.toml"
    path.write_text(text)
    return path


def test_show(tmp_path: Path) -> None:
    ran = noroshi("--config", write(tmp_path, GOOD), "config", "show")
    assert ran.code == 0
    assert "campus: 192.0.2.0/24; live 2024-04-01T00:00:00Z to now" in ran.out


def test_show_json(tmp_path: Path) -> None:
    ran = noroshi("config", "show", "--json", "--config", write(tmp_path, GOOD))
    assert ran.json["telescopes"][0]["live"] == [{"from": "2024-04-01T00:00:00Z", "to": None}]
    assert ran.json["timezone"] == "Asia/Tokyo"
    assert ran.err == ""


def test_check_good(tmp_path: Path) -> None:
    ran = noroshi("--config", write(tmp_path, GOOD), "config", "check")
    assert ran.code == 0
    assert "1 telescope, 1 own prefix" in ran.out


def test_check_names_file_entry_and_mend(tmp_path: Path) -> None:
    for bad, words in {
        "own = ['nonsense']": "not a network prefix",
        "timezone = 'Mars/Base'": "Asia/Tokyo",
        "colour = 'red'": "colour",
        "own = [": "not valid TOML",
        "[[source]]\npath = 'x'\ntlp = 'pink'": "amber+strict",
        "[[source]]\npath = 'x'\nformat = 'pcpa'": "Did you mean 'pcap'?",
        "[retention]\nflow = '4d'": "which is no table",
        TWO.format("", ""): "telescopes a and b overlap",
        TWO.format("live = [{from = 2024-01-01}]", "live = [{from = 2020-01-01T00:00:00Z}]"): "overlap",
        "[analyse.scaner]\nx = 1": "Did you mean 'scanner'?",
        "[analyse.scanner]\nmin_dts = 1": "Did you mean 'min_dst'?",
        "[analyse.scanner]\nmin_dst = 'ten'": "10 is usual",
        "[analyse.scanner]\nmin_dst = 0": "above 0",
        "[analyse.inside-talker]\nx = 1": "there is no threshold 'x'",
        "[analyse.port-surge.investigation]\nmin_port = 1": "Did you mean 'min_ports'?",
        "[analyse.port-surge]\ninvestigation = 1": "not a table",
    }.items():
        ran = noroshi("--config", write(tmp_path, bad), "config", "check")
        assert ran.code == 2, bad
        assert words in ran.err
        assert "noroshi.toml" in ran.err


def test_a_named_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert noroshi("--config", tmp_path / "none.toml", "config", "show").code == 2


def test_telescopes_are_listed(tmp_path: Path) -> None:
    ran = noroshi("--config", write(tmp_path, GOOD), "telescope", "list")
    assert "campus" in ran.out
    assert noroshi("--config", write(tmp_path, ""), "telescope", "list").out == ""


def test_one_telescope_may_follow_another(tmp_path: Path) -> None:
    moved = TWO.format(
        "live = [{from = 2020-01-01T00:00:00Z, to = 2024-01-01T00:00:00Z}]",
        "live = [{from = 2024-01-01T00:00:00Z}]",
    )
    assert noroshi("--config", write(tmp_path, moved), "config", "check").code == 0


def test_a_date_is_its_midnight(tmp_path: Path) -> None:
    text = '[[telescope]]\nname = "t"\nprefixes = ["192.0.2.0/24"]\nlive = [{from = 2024-04-01}]\n'
    ran = noroshi("--config", write(tmp_path, text), "telescope", "list", "--json")
    assert ran.json[0]["live"] == [{"from": "2024-04-01T00:00:00Z", "to": None}]
