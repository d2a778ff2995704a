"""Non-interference over lakes as stored: with everything a recipient may not see deleted, every way out is the same.

Nothing is judged again for the comparison: rows, links, sums, findings and runs are deleted from the tables. What
differs then would tell a recipient that there is something hidden.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from noroshi.lake import heads
from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.tlp import Tlp
from noroshi.web import routes
from noroshi.web.app import make
from noroshi.web.options import Options
from tests.share.interference import server
from tests.share.interference.trial import CEILINGS, compared, configuration
from tests.share.interference.ways import Question, Side, Way


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bounds that else only large lakes meet."""
    monkeypatch.setattr(heads, "LEAST_ROWS", 10)
    server.held(monkeypatch)
    monkeypatch.setenv("NOROSHI_KEYS", str(tmp_path / "site.keys"))  # both lakes are of one site


@pytest.mark.parametrize(("seed", "ceiling"), list(enumerate(CEILINGS)), ids=str)
def test_what_is_hidden_changes_no_byte(seed: int, ceiling: Tlp, tmp_path: Path) -> None:
    assert compared(seed, 100, tmp_path, ceilings=[ceiling]) == 100


def test_every_route_a_viewer_may_ask_is_a_way(tmp_path: Path) -> None:
    """Whoever adds a route adds it to API or PAGES, or says here why it tells nothing of the lake."""
    app = make(
        Lake.open(tmp_path / "lake"), configuration(tmp_path / "etc"), State(tmp_path), Options(rate=0)
    )
    asked = {p.partition("?")[0] for p in (*server.API.values(), *server.PAGES.values())}
    shapes = {_shape(p) for p in asked}
    missing = {
        r.path for r in routes.every(app)
        if "GET" in (r.methods or ()) and routes.declared(r) == "viewer" and _shape(r.path) not in shapes
    }  # fmt: skip
    assert missing == NOT_OF_THE_LAKE


NOT_OF_THE_LAKE = {
    "/", "/entity", "/works", "/works/{work}", "/works/{work}/{name}", "/reports", "/reports/{work}/{lang}",
    "/api/v1/works", "/api/v1/works/{work}", "/api/v1/works/{work}/files/{name}", "/api/v1/reports/{work}/{lang}",
    # A stream, compared in tests/web/test_events.py; a conversation with one decoy, by the id its list gives.
    "/api/v1/events", "/honeypots/session", "/honeypots/session/{session:path}",
    # The account of whoever asks: sessions and keys, from the state alone.
    "/account", "/account/keys", "/account/password", "/api/v1/me/keys", "/api/v1/me/sessions",
}  # fmt: skip
"""What somebody began themselves (reports, exports), and what leads elsewhere, or is their own."""


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _leaky_tag(side: Side, ask: Question) -> bytes:
    """What is told is right; its tag is of the whole lake."""
    told = [f.id for f in side.view.findings()]
    return hashlib.sha256(f"{told} {side.lake.snapshot().count('findings')} {ask.number}".encode()).digest()


def _leaky_cursor(side: Side, ask: Question) -> bytes:
    """A page of what may be seen, and where the next begins in the list of everything."""
    told, whole = side.view.findings(wanted=False), sorted(f.id for f in side.lake.findings())
    return str([(f.id, whole.index(f.id)) for f in told if side.view.plain] + [ask.number]).encode()


LEAKS: dict[str, Way] = {
    "counts": lambda side, ask: str((side.lake.snapshot().count("links"), ask.number)).encode(),
    "total": lambda side, ask: str(
        (len(side.view.findings()), len(side.lake.findings()), ask.number)
    ).encode(),
    "runs": lambda side, ask: str(
        [f.runs for f in side.lake.findings() if side.view.recipient.may_see(f.tlp)] + [ask.number]
    ).encode(),
    "tag": _leaky_tag,
    "cursor": _leaky_cursor,
}
"""Ways that do not go through the gate, and tell something."""


@pytest.mark.parametrize("name", LEAKS)
def test_the_comparison_notices_a_leak(name: str, tmp_path: Path) -> None:
    """A proof that could not fail would prove nothing."""
    with pytest.raises(AssertionError, match=f"{name}, Question"):
        compared(0, 8, tmp_path, {name: LEAKS[name]}, CEILINGS[:2])


@pytest.mark.heavy
@pytest.mark.parametrize("part", range(20))
def test_a_hundred_thousand_cases(part: int, tmp_path: Path) -> None:
    """Four lakes a part, each with a copy for every ceiling: 320 pairs in all."""
    done, seed = 0, 1000 * (part + 1)
    while done < 5_000:
        (folder := tmp_path / str(seed)).mkdir()
        done += compared(seed, 1_250, folder)
        shutil.rmtree(folder)
        seed += 1
