"""What README and docs tell people to type works, and the numbers they state are right."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noroshi.cli.main import VERBS
from tests.cli.support import noroshi

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
LIMITS = (ROOT / "docs" / "limits.md").read_text("utf-8")
HEADINGS = ["What goes in, what comes out", "What it does not do", "How to verify", "How to help"]


def typed(text: str) -> list[str]:
    """The lines of the shell blocks, comments cut off."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [
        shlex.join(words)
        for b in blocks
        for line in b.splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def test_the_order_is_that_of_a_reader_who_decides_on_one_screen() -> None:
    places = [
        README.index(mark) for mark in ("# Noroshi", "![", "```sh\nmake demo", *(f"## {h}" for h in HEADINGS))
    ]
    assert places == sorted(places)
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == HEADINGS
    assert README.count("apt-get install -y git make python3-venv") == 1


def test_every_link_and_picture_is_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_two_commands_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    made = [line.split()[1] for line in typed(README) if line.startswith("make ")]
    assert made == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in made)
    assert "git make python3-venv" in makefile


def test_every_command_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order they stand, in an empty folder that holds the day and the evidence they speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOROSHI_LAKE", raising=False)
    monkeypatch.delenv("NOROSHI_CONFIG", raising=False)
    shutil.copyfile(ROOT / "samples" / "synthetic" / "day.pcap.zst", tmp_path / "day.pcap.zst")
    shutil.copytree(ROOT / "samples" / "mixed", tmp_path / "evidence", ignore=shutil.ignore_patterns("*.md"))
    commands = [line for line in typed(README) if line.startswith("noroshi ")]
    assert len(commands) >= 10
    for line in commands:
        if line.startswith("noroshi serve"):
            assert serves(shlex.split(line)[1:]), line
            continue
        ran = noroshi(*shlex.split(line)[1:])
        assert ran.code == 0, f"{line}\n{ran.err}"
        if line == "noroshi telescope guess":
            assert 'prefixes = ["198.18.0.0/22"]' in ran.out
            Path("noroshi.toml").write_text(ran.out, "utf-8")
    assert Path("findings.stix.json").is_file()
    assert list(Path("noroshi-report").glob("*.ja.html"))


def serves(words: list[str]) -> bool:
    """Starts a server on any port; true when it says where it is, and ends well when told to."""
    command = [sys.executable, "-m", "noroshi.cli.main", *words, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            process.send_signal(signal.SIGTERM)
            return bool(url) and process.wait(60) == 0
        finally:
            process.kill()


def test_verbs_named_in_the_documents_exist() -> None:
    """Nothing is advertised that is not there."""
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for verb in re.findall(r"`(?:\.venv/bin/)?noroshi ([a-z]+)", page.read_text("utf-8")):
            assert verb in VERBS, f"{page.name}: noroshi {verb}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_told_for_every_shell(shell: str) -> None:
    assert f"noroshi completion {shell} >" in (ROOT / "docs" / "configuration.md").read_text("utf-8")


def rate(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"pps": 1, "kpps": 1000}[unit]


def floor(bits: int, hours: float) -> float:
    """Replies/s of which a telescope of that prefix length gets ten."""
    return 10 * 2**32 / (2.0 ** (32 - bits) * hours * 3600)


def test_the_floors_that_are_stated_follow_from_the_formula() -> None:
    rows = re.findall(r"\| /(\d+) \| ([\d.]+ k?pps) \| ([\d.]+ k?pps) \|", LIMITS)
    assert len(rows) == 6
    for bits, hour, day in rows:
        assert rate(hour) == pytest.approx(floor(int(bits), 1), rel=0.05)
        assert rate(day) == pytest.approx(floor(int(bits), 24), rel=0.05)
    said = re.search(
        r"about (\d+) packets a second for a /22 to get ten, (\d+) for a /18, ([\d.]+)\s+for a /8", README
    )
    assert said
    for text, bits in zip(said.groups(), (22, 18, 8), strict=True):
        assert float(text) == pytest.approx(floor(bits, 24), rel=0.05)
