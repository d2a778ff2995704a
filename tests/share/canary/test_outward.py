"""What leaves by itself, searched for secrets: notices by mail, and lists for firewalls that are not empty."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import msgspec
import pytest

from noroshi.lake.handle import Lake
from noroshi.lake.state import State
from noroshi.share.notify.table import COLUMNS
from noroshi.work.notify import plan
from noroshi.work.notify_operators import load as load_operators
from tests.share.canary import lakes
from tests.share.canary.secrets import DARK4, OWN4, SENSOR, Planted, config, planted
from tests.share.canary.test_canary import PROFILES, leaks, view
from tests.share.canary.ways import blocklists

OPERATORS = """network,name,mail,lang,format
100.64.0.0/25,One,abuse@one.example,en,csv
100.64.0.128/25,Two,abuse@two.example,ja,xarf
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = lakes.make(tmp_path_factory.mktemp("outward") / "lake", thin=60)
    made.put_findings(lakes.notices(planted()))
    lakes.evidence(made, planted())
    return made


def letters(lake: Lake, folder: Path, profile: str) -> tuple[bytes, set[str]]:
    """(every notice as its reader has it: heads, words and files, decoded; names of the files)."""
    settings = config(lake.path.parent)
    settings.notify = msgspec.convert(
        {"to": "mail", "sender": "notices@cert.example", "name": "Example CERT", "server": "127.0.0.1",
         "profile": profile, "tlp": "amber"}, _entry(),
    )  # fmt: skip
    state, table = State(lake.path), folder / "operators.csv"
    table.write_text(OPERATORS)
    load_operators(state, "test", table, rdap=False)
    shown = plan(lake, settings, state, now=lakes.NOON)
    assert [n.operator.name for n in shown.notices] == ["One", "Two"]
    parts, names = [], set[str]()
    for one in shown.notices:
        message = email.message_from_bytes(one.body, policy=email.policy.default)
        parts += [f"{k}: {v}".encode() for k, v in message.items()]
        for part in message.walk():
            if not part.is_multipart():
                names.add(part.get_filename() or "")
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                parts.append(content)
    return b"\n".join(parts), names


def _entry() -> type:
    from noroshi.config import NotifyEntry

    return NotifyEntry


@pytest.mark.parametrize("profile", [*PROFILES, "organisation"])
def test_no_secret_stands_in_a_notice(lake: Lake, tmp_path: Path, profile: str) -> None:
    body, names = letters(lake, tmp_path, profile)
    assert b"100.64.0.1," in body
    assert any(n.endswith(".json") for n in names)
    assert {of for of in COLUMNS if any(f"-{of}-" in n for n in names)} >= {
        "event4_honeypot_darknet", "event4_honeypot_brute_force", "device_id"
    }  # fmt: skip
    found = leaks(body)
    assert not found, [(p.secret, p.encoding, p.needle) for p in found[:10]]


def test_without_a_mask_notices_tell_secrets_but_no_telescope(lake: Lake, tmp_path: Path) -> None:
    """The search sees what is there: texts are told as they are; but what saw it is nobody's business, ever."""
    body, _ = letters(lake, tmp_path, "plain")
    told = {p.secret for p in leaks(body)}
    assert len(told) >= 4
    plain: list[Planted] = [p for p in leaks(body) if p.encoding == "as it is"]
    assert not {p.secret for p in plain} & {OWN4, DARK4}
    assert SENSOR.encode() in body  # a word like any other where nothing is masked: it was planted in texts


@pytest.mark.parametrize("profile", PROFILES)
def test_lists_for_firewalls_are_searched_with_something_on_them(lake: Lake, profile: str) -> None:
    body = blocklists(view(lake, profile))
    assert body.count(lakes.BLOCKED.encode()) >= 2  # nftables and the plain list
    assert b"32.4.4.8.8.rpz-ip" in body
    assert not leaks(body)
    assert OWN4.encode() not in body
