"""Behind every row its raw text: from the original while it is the same, else from what was kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from noroshi.config import load
from noroshi.lake import raw
from noroshi.lake.handle import Lake
from noroshi.lake.render import row_id
from noroshi.model.errors import UsageError
from noroshi.work.ingest import ingest
from noroshi.work.why import why

LINE = (
    '{"eventid":"cowrie.login.failed","username":"root","password":"x%d","src_ip":"203.0.113.%d",'
    '"session":"s%d","sensor":"d","timestamp":"2024-05-01T00:00:%02d.000000Z"}\n'
)


def _log(n: int) -> str:
    return "".join(LINE % (i, i % 250 + 1, i, i % 60) for i in range(n))


def _lake(tmp_path: Path, log: Path, keep: bool) -> Lake:
    lake = Lake.open(tmp_path / "lake")
    config = tmp_path / "noroshi.toml"
    config.write_text(f"keep_raw = {str(keep).lower()}\n")
    ingest(lake, [log], config=load(config))
    return lake


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_the_line_behind_a_row(tmp_path: Path, packed: bool, keep: bool) -> None:
    text = _log(300)
    log = tmp_path / "log"
    log.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    lake = _lake(tmp_path, log, keep)
    offset = text.index('"password":"x120"')
    offset = text.rindex("\n", 0, offset) + 1
    (run,) = lake.snapshot().runs()
    answer = why(lake, row_id("logins", run.sha256, offset))
    assert [r["password"] for r in answer.rows] == ["x120"]
    assert answer.raw + "\n" == text[offset : text.index("\n", offset) + 1]
    assert answer.raw_from == ("kept" if keep else "source")
    assert why(lake, f"{run.run_id[:8]}:{offset}").raw == answer.raw


def test_a_changed_source_is_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(_log(5))
    lake = _lake(tmp_path, log, keep=False)
    (run,) = lake.snapshot().runs()
    log.write_text(_log(5).replace("root", "rooT"))
    answer = why(lake, row_id("logins", run.sha256, 0))
    assert (answer.raw, answer.raw_from) == ("", "the source has changed since it was read")
    log.unlink()
    assert "no longer there" in why(lake, row_id("logins", run.sha256, 0)).raw_from


def test_a_log_that_grew_still_shows_its_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(_log(5))
    lake = _lake(tmp_path, log, keep=True)
    with log.open("a") as f:
        f.write(LINE % (99, 9, 99, 9))
    _lake(tmp_path, log, keep=True)
    last = max(lake.snapshot().runs(), key=lambda r: r.size or 0)
    answer = why(lake, row_id("logins", last.sha256, len(_log(5))))
    assert '"x99"' in answer.raw
    assert answer.raw_from == "kept"


def test_forget_takes_the_text_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(_log(5))
    lake = _lake(tmp_path, log, keep=True)
    (run,) = lake.snapshot().runs()
    assert raw.read(lake.path, run.run_id, 0, 9)
    lake.forget(run.run_id)
    assert raw.read(lake.path, run.run_id, 0, 9) is None


@pytest.mark.parametrize(
    "text", ["flows:zzzzzz:1", "nosuch:abcdef:1", "logins:abcdef:1", "abcdef", "runs:abcdef:1"]
)
def test_what_names_nothing(tmp_path: Path, text: str) -> None:
    log = tmp_path / "log"
    log.write_text(_log(1))
    with pytest.raises(UsageError):
        why(_lake(tmp_path, log, keep=False), text)


def test_kept_text_is_read_from_any_offset(tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    keeper = raw.Keeper(tmp_path, "ab12")
    for at in range(0, len(data), 700_000):
        keeper.write(data[at : at + 700_000])
    keeper.close()
    for offset in (0, 1, raw.FRAME - 1, raw.FRAME, 3 * raw.FRAME + 17, len(data) - 5, len(data)):
        assert raw.read(tmp_path, "ab12", offset, 1000) == data[offset : offset + 1000]
    assert raw.sweep(tmp_path, {"ab12"}) == 0
