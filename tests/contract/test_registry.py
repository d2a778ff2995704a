"""Everything registered keeps its promise: a name, a version, a sentence, a test, one row."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from noroshi import registry
from noroshi.model.finding import KINDS

ROOT = Path(__file__).parents[2]
ROWS = [*registry.SENSORS.items(), *registry.ANALYSERS.items()]


def test_names_are_unique_and_plain() -> None:
    names = [name for name, _ in ROWS]
    assert len(set(names)) == len(names)
    assert all(name == name.lower().replace("_", "-").strip() for name in names)


def test_no_two_rows_share_a_class() -> None:
    targets = [target for _, target in ROWS]
    assert len(set(targets)) == len(targets)


@pytest.mark.parametrize(("name", "target"), ROWS)
def test_the_file_has_a_test_beside_it(name: str, target: str) -> None:
    module = target.partition(":")[0].removeprefix("noroshi.")
    *rooms, last = module.split(".")
    assert (ROOT / "tests" / Path(*rooms) / f"test_{last}.py").is_file()


@pytest.mark.parametrize(("name", "target"), ROWS)
def test_the_file_and_class_say_what_they_are(name: str, target: str) -> None:
    module, _, cls = target.partition(":")
    loaded = import_module(module)
    assert (loaded.__doc__ or "").strip()
    assert (getattr(loaded, cls).__doc__ or "").strip()


@pytest.mark.parametrize("name", registry.SENSORS)
def test_sensors(name: str) -> None:
    sensor = registry.sensor(name)
    assert sensor.name == name
    assert sensor.version >= 1
    assert sensor.doc.strip().endswith(".")
    assert sensor.sniff(b"") is False
    assert sensor.sniff(b"\x00" * 4096) is False
    assert list(inspect.signature(sensor.read).parameters) == ["reading"]


@pytest.mark.parametrize("name", registry.ANALYSERS)
def test_analysers(name: str) -> None:
    analyser = registry.analyser(name)
    assert analyser.name == name
    assert analyser.version >= 1
    assert analyser.doc.strip().endswith(".")
    assert isinstance(analyser.needs_telescope, bool)
    assert analyser.kinds
    assert set(analyser.kinds) <= set(KINDS)
    assert list(inspect.signature(analyser.reduce).parameters) == ["query", "scope"]
    assert list(inspect.signature(analyser.judge).parameters) == ["reduced", "scope"]


@pytest.mark.parametrize("name", registry.ANALYSERS)
def test_every_threshold_that_is_read_is_declared_and_told(name: str) -> None:
    """What `[analyse.NAME]` may hold is what the code asks for; the docs are made from it."""
    import re

    analyser = registry.analyser(name)
    source = Path(str(import_module(registry.ANALYSERS[name].partition(":")[0]).__file__)).read_text("utf-8")
    read = set(re.findall(r'\boption\(\s*scope, "(\w+)"', source))
    read |= set(re.findall(r'scope\.options\.get\("(\w+)"', source))
    assert read == {o.name for o in analyser.options}
    for option in analyser.options:
        assert option.default is None or option.default > 0
        assert option.doc
        assert not option.doc.endswith(".")


@pytest.mark.parametrize("name", registry.ANALYSERS)
def test_a_judgement_opens_nothing(name: str) -> None:
    """No analyser's file imports what would let it open a file, socket or clock."""
    import ast

    target = import_module(registry.ANALYSERS[name].partition(":")[0])
    tree = ast.parse(Path(str(target.__file__)).read_text("utf-8"))
    names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module).split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert names.isdisjoint({"socket", "http", "urllib", "requests", "time", "os", "subprocess", "random"})
    calls = {
        ast.unparse(n.func)
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name | ast.Attribute)
    }
    assert calls.isdisjoint({"open", "datetime.now", "datetime.utcnow", "date.today"})
