"""What goes to a target, and as what."""

from __future__ import annotations

import json

from noroshi.model.tlp import Tlp
from noroshi.share.deliver.target import Target, as_json
from tests.support.findings import finding


def test_only_what_a_target_wants_goes_there() -> None:
    target = Target("soc", ("watch-hit",), Tlp.AMBER, min_confidence=70)
    assert target.wants(finding("watch-hit", tlp="amber"))
    assert not target.wants(finding("scanner"))
    assert not target.wants(finding("watch-hit", tlp="amber+strict"))
    assert not target.wants(finding("watch-hit", confidence=69))


def test_red_never_leaves_by_a_machine() -> None:
    assert not Target("all", ("watch-hit",), Tlp.RED).wants(finding("watch-hit", tlp="red"))


def test_whatever_a_finding_holds_becomes_json() -> None:
    hostile = {
        "half": "a\udc80",
        "none": float("nan"),
        "far": [float("inf"), {"n": -float("inf")}],
        "日本": "\x00\n",
    }
    body = as_json(hostile)
    assert body.isascii() is False
    assert json.loads(body) == {"half": "a\udc80", "none": None, "far": [None, {"n": None}], "日本": "\x00\n"}
    assert b"\n" not in body
