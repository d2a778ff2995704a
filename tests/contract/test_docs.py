"""The documents say what the program does: generated pages are current, examples are valid."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from noroshi import config, registry

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import make_docs  # noqa: E402


@pytest.mark.parametrize("name", make_docs.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    page = make_docs.DOCS / name
    assert page.is_file(), "run: python tools/make_docs.py"
    assert page.read_text("utf-8") == make_docs.NOTE + make_docs.PAGES[name](), (
        "run: python tools/make_docs.py"
    )


def example() -> str:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def test_the_configuration_example_is_valid_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "noroshi.toml"
    path.write_text(example(), "utf-8")
    loaded = config.load(path)
    assert loaded.telescopes[0].name == "campus"
    structs = (
        config.File, config.TelescopeEntry, config.SourceEntry, config.ContextEntry, config.Span,
        config.DeliverEntry, config.JobEntry, config.NotifyEntry,
    )  # fmt: skip
    for struct in structs:
        for field in struct.__struct_encode_fields__:
            assert re.search(rf"\b{field}\b", example()), f"docs/configuration.md does not show {field}"


def test_the_configuration_of_the_operating_page_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "operate.md").read_text("utf-8"), re.DOTALL)
    assert found
    path = tmp_path / "noroshi.toml"
    path.write_text(found[1], "utf-8")
    assert {job.do for job in config.load(path).jobs} >= {
        "follow",
        "poll",
        "analyse",
        "watch",
        "retain",
        "vacuum",
    }


def test_every_format_stands_on_its_page_with_what_it_fills() -> None:
    page = (ROOT / "docs" / "formats.md").read_text("utf-8")
    for name in registry.SENSORS:
        (row,) = re.findall(rf"^\| `{re.escape(name)}` \| (.*?) \|", page, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(registry.sensor(name).tables)


def test_the_samples_configuration_is_valid() -> None:
    config.load(ROOT / "samples" / "noroshi.toml")


def commands_in(text: str) -> list[str]:
    blocks = re.findall(r"```(?:sh|console|bash)?\n(.*?)```", text, re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("noroshi ")]


def test_commands_in_the_documents_exist() -> None:
    from noroshi.cli.main import VERBS

    pages = [ROOT / "README.md", *(p for p in (ROOT / "docs").glob("*.md") if p.name != "commands.md")]
    for page in pages:
        for line in commands_in(page.read_text("utf-8")):
            words = [w for w in line.split()[1:] if not w.startswith("-")]
            assert any(w in VERBS for w in words), f"{page.name}: {line}"
