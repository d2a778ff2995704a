"""Reading: one snapshot for all, renewed when the lake has changed, and answers that tell of the view alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.model.errors import LakeError
from noroshi.model.tlp import Tlp
from noroshi.share.marking import RECIPIENTS
from noroshi.web import reader as module
from noroshi.web.reader import Reader, answer
from tests.web import site

COWRIE = site.SAMPLES / "mixed" / "cowrie.json"
NMAP = site.SAMPLES / "mixed" / "nmap.xml"


class _Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def _ingest(lake: Lake, path: Path, tlp: Tlp | None = None) -> None:
    from noroshi.work.ingest import ingest

    ingest(lake, [path], config=site.config_of(), tlp=tlp)


def test_one_snapshot_until_the_lake_changes(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TICK_NS", 0)
    own, clock = Lake.open(tmp_path / "lake"), _Clock()
    reader = Reader(own, site.config_of(), state, clock=clock)
    first = reader.shot()
    assert reader.seen(RECIPIENTS["own"]) is reader.seen(RECIPIENTS["own"])
    clock.at += 5
    assert reader.shot() is first, "nothing has changed"
    _ingest(own, COWRIE)
    assert reader.shot() is first, "within a second nobody looks"
    clock.at += 5
    assert reader.shot() is not first
    assert reader.seen(RECIPIENTS["own"]).view.shot.count("logins") > 0
    assert first.count("logins") == 0, "who still has the old one goes on with it"


def test_who_has_written_reads_it_at_once(tmp_path: Path, state: State) -> None:
    own = Lake.open(tmp_path / "lake")
    reader = Reader(own, site.config_of(), state, clock=_Clock())
    reader.shot()
    _ingest(own, COWRIE)
    reader.renew()
    assert len(reader.seen(RECIPIENTS["own"]).view.shot.runs()) == 1


def test_a_lake_that_cannot_be_read_now(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, clock = Lake.open(tmp_path / "lake"), _Clock()
    reader = Reader(own, site.config_of(), state, clock=clock)
    first = reader.shot()

    def broken() -> None:
        raise LakeError("the disk is gone")

    monkeypatch.setattr(own, "snapshot", broken)
    reader._known = (-2,)
    clock.at += 5
    assert reader.shot() is first, "what there was is still right"
    with pytest.raises(LakeError):
        Reader(own, site.config_of(), state).shot()


def test_others_do_not_wait_for_who_looks(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, clock = Lake.open(tmp_path / "lake"), _Clock()
    reader = Reader(own, site.config_of(), state, clock=clock)
    first, take = reader.shot(), own.snapshot
    looking, go_on = threading.Event(), threading.Event()

    def slow() -> object:
        looking.set()
        assert go_on.wait(30)
        return take()

    monkeypatch.setattr(own, "snapshot", slow)
    reader._known = (-2,)
    clock.at += 5
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(reader.shot)
        assert looking.wait(30)
        assert reader.shot() is first
        go_on.set()
        assert other.result() is not first


def test_a_tag_tells_nothing_of_what_is_hidden(tmp_path: Path, state: State) -> None:
    """What the public may not see changes: its answer and tag stay."""
    own = Lake.open(tmp_path / "lake")
    _ingest(own, NMAP, Tlp.CLEAR)
    key = site.add_user(state, "guest", "viewer", "public")
    with site.client(own, state, open=False) as client:
        asked = [client.get(p, headers={"x-api-key": key}) for p in _PATHS]
        _ingest(own, COWRIE, Tlp.AMBER)
        client.app.state.tower.reader.renew()  # type: ignore[attr-defined]
        again = [client.get(p, headers={"x-api-key": key}) for p in _PATHS]
    for path, before, after in zip(_PATHS, asked, again, strict=True):
        assert before.status_code == 200, before.text
        assert (before.headers["etag"], before.content) == (after.headers["etag"], after.content), path


_PATHS = ("/api/v1/runs?range=all", "/api/v1/tables?range=all", "/api/v1/findings?range=all",
          "/api/v1/tables/services/rows?range=all", "/api/v1/rejects?range=all")  # fmt: skip


def test_answers_are_made_once_and_bounded(lake: Lake, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Reader(lake, site.config_of(), state).seen(RECIPIENTS["own"])
    made = []

    def make(n: int) -> object:
        def it() -> module.Answer:
            made.append(n)
            return answer(b"x" * 1000, "text/plain")

        return it

    monkeypatch.setattr(module, "KEPT_BYTES", 3000)
    for n in (1, 1, 2, 3, 1, 4, 5, 1):
        seen.remember((str(n),), make(n))  # type: ignore[arg-type]
    assert made == [1, 2, 3, 4, 5]
    seen.remember(("2",), make(2))  # type: ignore[arg-type]
    assert made[-1] == 2, "the one not asked longest has gone"
    assert seen._kept <= 3000


def test_a_question_may_not_take_for_ever(lake: Lake, state: State) -> None:
    seen = Reader(lake, site.config_of(), state, seconds=0.05).seen(RECIPIENTS["own"])
    with pytest.raises(LakeError, match="longer"):
        seen.view.shot.sql("SELECT count(*) FROM range(100000000) a, range(100000000) b")


def test_of_many_who_ask_the_same_one_works(lake: Lake, state: State) -> None:
    seen = Reader(lake, site.config_of(), state).seen(RECIPIENTS["own"])
    made, together = [], threading.Barrier(6)

    def make() -> module.Answer:
        made.append(1)
        return answer(b"x", "text/plain")

    def ask(_: int) -> module.Answer:
        together.wait(30)
        return seen.remember(("same",), make)

    with ThreadPoolExecutor(6) as pool:
        assert len({id(a) for a in pool.map(ask, range(6))}) == 1
    assert len(made) == 1
    assert not seen._making


def test_a_fault_is_not_kept(lake: Lake, state: State) -> None:
    seen = Reader(lake, site.config_of(), state).seen(RECIPIENTS["own"])

    def broken() -> module.Answer:
        raise LakeError("just now")

    with pytest.raises(LakeError):
        seen.remember(("x",), broken)
    assert seen.remember(("x",), lambda: answer(b"y", "text/plain")).body == b"y"


@pytest.mark.parametrize("name", ["own", "public"])
def test_kept_findings_are_those_of_the_gate(lake: Lake, state: State, name: str) -> None:
    from dataclasses import replace
    from datetime import UTC, datetime

    from noroshi.work.gate import open_view

    to = replace(RECIPIENTS[name], kinds=("dos-victim",))
    kept = Reader(lake, site.config_of(), state).view(to)
    plain = open_view(lake, site.config_of(), to)
    for wanted in (True, False):
        for kinds in ((), ("scanner", "port-surge")):
            for since in (None, datetime(2026, 4, 1, 12, tzinfo=UTC)):
                asked = {"kinds": kinds, "since": since, "wanted": wanted}
                assert kept.findings(**asked) == plain.findings(**asked)  # type: ignore[arg-type]


def test_what_was_made_lately_is_given_while_only_runs_come(tmp_path: Path, state: State) -> None:
    own, clock, made = Lake.open(tmp_path / "lake"), _Clock(), []
    reader = Reader(own, site.config_of(), state, clock=clock)

    def asked() -> int:
        reader.renew()
        return reader.seen(RECIPIENTS["own"]).lately(("sum",), lambda: made.append(1) or len(made))

    _ingest(own, COWRIE)
    assert asked() == 1
    _ingest(own, NMAP)
    clock.at += module.LATELY_S
    assert asked() == 1, "a run came"
    clock.at += 0.1
    assert asked() == 2, "a minute is over"
    assert asked() == 2
    own.forget(reader.shot().runs()[0].run_id)
    assert asked() == 3, "what was forgotten is in no sum"


def test_what_was_made_of_findings_lasts_as_long_as_they(tmp_path: Path, state: State) -> None:
    from noroshi.work.analyse import analyse

    own, made = Lake.open(tmp_path / "lake"), []
    reader = Reader(own, site.config_of(), state, clock=_Clock())

    def asked(name: str) -> int:
        reader.renew()
        view = reader.view(RECIPIENTS[name])
        return reader.lasting("n", (view,), lambda: made.append(1) or len(made))

    _ingest(own, COWRIE)
    assert [asked("own"), asked("own"), asked("public"), asked("own")] == [1, 1, 2, 1]
    _ingest(own, NMAP)
    assert asked("own") == 1, "a run came, and nothing was judged"
    analyse(own, config=site.config_of())
    assert asked("own") == 3, "findings came"


def test_what_is_masked_is_masked_anew_at_each_moment(tmp_path: Path, state: State) -> None:
    """Its profile may have become stricter: nothing of the old mask is carried on."""
    own = Lake.open(tmp_path / "lake")
    reader = Reader(own, site.config_of(), state, clock=_Clock())

    def stamp(name: str) -> int:
        reader.renew()
        return reader.seen(RECIPIENTS[name]).view.stamp

    _ingest(own, COWRIE)
    masked = next(n for n, to in RECIPIENTS.items() if not reader.seen(to).view.plain)
    assert stamp("own") == stamp("own")
    assert stamp(masked) != stamp(masked)
