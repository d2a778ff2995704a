"""Every message tells what happened, where, and what to do."""

from __future__ import annotations

import ast
from pathlib import Path

from noroshi.model import errors
from noroshi.model.errors import NoroshiError

SRC = Path(__file__).parents[2] / "src" / "noroshi"
NAMES = {n for n, v in vars(errors).items() if isinstance(v, type) and issubclass(v, NoroshiError)}
NOBODY_CAN_ACT = {
    ("lake/owner.py", "does not name a process"),  # caught: the owner is unknown then
    ("lake/retag.py", "must keep their number"),  # a fault of the caller in this program
    ("lake/writer.py", "has ended already"),  # the same
    ("share/report/context.py", "fewer than three columns"),  # caught: becomes the reason of another
}


def test_every_error_says_what_to_do() -> None:
    bare = []
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES):
                continue
            if "todo" in {k.arg for k in node.keywords}:
                continue
            text, name = ast.unparse(node), path.relative_to(SRC).as_posix()
            if not any(name == where and words in text for where, words in NOBODY_CAN_ACT):
                bare.append(f"{name}:{node.lineno}: {text}")
    assert not bare


def test_what_is_excused_is_still_there() -> None:
    for where, words in NOBODY_CAN_ACT:
        assert words in (SRC / where).read_text("utf-8"), where
