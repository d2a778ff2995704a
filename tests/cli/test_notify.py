"""`noroshi notify`, as typed."""

from __future__ import annotations

import email
import email.policy
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from noroshi.lake.state import State
from tests.cli.support import Ran, noroshi
from tests.share.notify.test_bounce import bounce
from tests.share.notify.test_operators import document
from tests.work.notices import BOT, NOBODY, OPERATORS, OTHER, bot, configured, lake_at, server

FRESH = datetime.now(UTC) - timedelta(hours=5)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A lake with three hosts seen just now."""
    span: dict[str, Any] = {"first_seen": FRESH, "last_seen": FRESH + timedelta(hours=1)}
    lake_at(
        tmp_path,
        [bot(**span), bot(OTHER, **span), bot(NOBODY, **span), bot("198.51.100.66", tlp="red", **span)],
    )
    (tmp_path / "operators.csv").write_text(OPERATORS, "utf-8")
    return tmp_path


def run(place: Path, *words: str) -> Ran:
    return noroshi("--lake", place / "lake", "--config", place / "noroshi.toml", "notify", *words)


def test_the_whole_way(place: Path) -> None:
    with server() as (held, port):
        configured(place, port)
        assert run(place, "operators", "load", str(place / "operators.csv")).code == 0
        shown = run(place, "plan", "--json")
        assert shown.code == 0
        assert "1 finding withheld: TLP:RED" in shown.err
        assert f"nobody known: {NOBODY}" in shown.err
        ids = [n["id"] for n in shown.json["notices"]]
        assert [n["operator"] for n in shown.json["notices"]] == ["Example ISP", "例示通信"]
        assert shown.json["notices"][0]["items"][0]["subject"] == BOT
        assert run(place, "plan").out.count("n-") >= 2
        whole = run(place, "plan", "--show", ids[1][:12]).out
        assert held.got == []
        done = run(place, "send", "--json")
        assert (done.code, done.json["sent"]) == (0, ids)
        sent = held.got[1].content.decode().replace("\r\n", "\n")
        assert whole.replace("\r\n", "\n").partition("\n")[2] == sent.partition("\n")[2]  # all but the Date
        assert run(place, "send", "--json").json["sent"] == []
        assert len(held.got) == 2
    (place / "in.eml").write_bytes(bounce(to="abuse@tsushin.example", ours=f"<{ids[1]}.notice@cert.example>"))
    came = run(place, "replies", str(place / "in.eml"), "--json").json
    assert (came["returned"], came["unknown"]) == ([ids[1]], 0)
    assert run(place, "replies", str(place / "in.eml"), "--json").json["returned"] == []  # twice is once
    forged = bounce(to="somebody@else.example", ours=f"<{ids[0]}.notice@cert.example>")
    (place / "in.eml").write_bytes(forged)
    assert run(place, "replies", str(place / "in.eml"), "--json").json["returned"] == []
    assert run(place, "ack", ids[0][:10], "--note", "thanks").code == 0
    (channel,) = run(place, "status", "--json").json["channels"]
    assert {s: n for s, n in channel["states"].items() if n} == {"acknowledged": 1, "returned": 1}
    table = run(place, "status").out
    assert "acknowledged" in table
    assert "mail" in table
    assert BOT in run(place, "status", "--items").out
    assert ids[0] in run(place, "status", "--notices").out
    actions = {e.action for e in State(place / "lake").audit.newest(50)}
    assert actions >= {"notify", "notify-ack", "notify-return", "operators-load"}


def test_replies_of_people(place: Path) -> None:
    with server() as (_, port):
        configured(place, port)
        run(place, "operators", "load", str(place / "operators.csv"))
        one, other = run(place, "send", "--json").json["sent"]
    text = "From: {}\nIn-Reply-To: <{}.notice@cert.example>\n{}\n{}\n"
    (place / "box").mkdir()
    for n, parts in enumerate([
        ("abuse@isp.example", one, "", "We cleaned it."), ("abuse@tsushin.example", other, "", "STOP"),
        ("x@evil.example", other, "", "done"), ("abuse@tsushin.example", other, "Auto-Submitted: auto-replied\n", "x"),
    ]):  # fmt: skip
        (place / "box" / f"{n}.eml").write_text(text.format(*parts), "utf-8")
    came = run(place, "replies", str(place / "box"), "--ack", "--json").json
    assert came["acknowledged"] == [one]
    assert came["stop"] == [{"notice": other, "from": "abuse@tsushin.example"}]
    assert {a["from"] for a in came["answers"]} == {"abuse@isp.example", "x@evil.example"}


def test_opt_out_is_kept_with_its_proof(place: Path) -> None:
    configured(place)
    run(place, "operators", "load", str(place / "operators.csv"))
    proof = place / "mail.txt"
    proof.write_text("From: abuse@tsushin.example\n\n停止\n", "utf-8")
    words = ["opt-out", "add", "100.64.0.0/10", "--reason", "they asked", "--proof-file", str(proof)]
    assert run(place, *words).code == 0
    assert run(place, *words, "--json").json["new"] is False
    (kept,) = run(place, "opt-out", "list", "--json").json
    assert (kept["kind"], kept["value"], "停止" in kept["proof"]) == ("prefix", "100.64.0.0/10", True)
    shown = run(place, "plan", "--json").json
    assert [n["operator"] for n in shown["notices"]] == ["Example ISP"]
    assert shown["opted_out"] == [{"kind": "infected-host", "subject": OTHER, "opt_out": kept["id"]}]
    assert run(place, "opt-out", "end", str(kept["id"]), "--reason", "again wanted").code == 0
    assert len(run(place, "plan", "--json").json["notices"]) == 2
    assert run(place, "opt-out", "end", "99", "--reason", "x").code == 2
    assert run(place, "opt-out", "add", "no network", "--reason", "x").code == 2


def test_into_a_folder_and_a_plan_to_look_at(place: Path) -> None:
    configured(place)
    run(place, "operators", "load", str(place / "operators.csv"))
    looked = run(place, "plan", "--out", str(place / "look"), "--json").json["notices"]
    assert run(place, "status", "--json").json["notices"] == []
    done = run(place, "send", "--out", str(place / "sent"), "--json").json
    assert len(done["sent"]) == 2
    # By mail and by folder are two ways of telling: their ids differ, what they tell does not.
    assert {n["id"] for n in looked}.isdisjoint(done["sent"])
    for number in done["sent"]:
        message = email.message_from_bytes(
            (place / "sent" / number / f"{number}.eml").read_bytes(), policy=email.policy.default
        )
        assert message["Date"]
    assert run(place, "send", "--out", str(place / "sent"), "--channel", "mail").code == 2


def test_wrong_usage_is_told(place: Path) -> None:
    assert run(place, "plan").code == 2  # no configuration there
    configured(place)
    assert run(place, "ack", "n-00000000").code == 2
    assert run(place, "plan", "--show", "n-00000000").code == 2
    assert run(place, "send", "--only", "n-00000000").code == 2
    (place / "bad.csv").write_text("a,b\n", "utf-8")
    assert run(place, "operators", "load", str(place / "bad.csv")).code == 3
    assert run(place, "operators", "fetch", "198.51.100.7").code == 2  # no server is named


@pytest.fixture
def rdap() -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """An RDAP server on loopback; (its address, what it was asked, what it answers by path)."""
    asked: list[str] = []
    answers: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body, headers = answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/rdap", asked, answers
    made.shutdown()
    made.server_close()


def test_a_registry_is_asked_only_when_told_to(
    place: Path, rdap: tuple[str, list[str], dict[str, Any]]
) -> None:
    url, asked, answers = rdap
    configured(place, 25, f'rdap = "{url}"\n')
    run(place, "operators", "load", str(place / "operators.csv"))
    assert run(place, "plan").code == 0
    assert run(place, "operators", "who", NOBODY).code == 1
    assert asked == []
    found = document(startAddress="233.252.0.0", endAddress="233.252.0.255")
    answers[f"/rdap/ip/{NOBODY}"] = (200, json.dumps(found).encode(), {})
    done = run(place, "operators", "fetch", "--unresolved", "--json")
    assert (done.code, done.json["asked"], done.json["networks"]) == (0, 1, 1)
    assert asked == [f"/rdap/ip/{NOBODY}"]
    (row,) = run(place, "operators", "who", NOBODY, "--json").json
    assert (row["mails"], row["origin"]) == (["abuse@isp.example"], "rdap")
    assert run(place, "operators", "fetch", "233.252.0.9", "--json").json["asked"] == 0  # known already
    assert len(run(place, "plan", "--json").json["notices"]) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((302, b"", {"Location": "http://elsewhere.example/"}), "sends on"), ((429, b"", {}), "Wait"),
        ((500, b"", {}), "answered 500"), ((200, b"<html>", {}), "no JSON"), ((200, b"[" * 100_000, {}), "no JSON"),
        ((200, b'{"objectClassName": "domain"}', {}), "no network"), ((200, b" " * (1 << 21), {}), "more than"),
        ((404, b"", {}), "names no contact"),
    ],
)  # fmt: skip
def test_a_registry_that_answers_wrongly_changes_nothing(
    place: Path, rdap: tuple[str, list[str], dict[str, Any]], answer: Any, said: str
) -> None:
    url, asked, answers = rdap
    configured(place, 25, f'rdap = "{url}"\n')
    answers["/rdap/ip/192.0.2.9"] = answer
    done = run(place, "operators", "fetch", "192.0.2.9")
    assert (done.code, len(asked)) == (1, 1)
    assert said in done.err
    assert run(place, "operators", "list", "--json").json == []


def test_rdap_documents_from_a_file(place: Path) -> None:
    configured(place)
    (place / "answers.json").write_text(
        json.dumps([document(), document(startAddress="198.51.100.0")]), "utf-8"
    )
    assert (
        run(place, "operators", "load", "--rdap", str(place / "answers.json"), "--json").json["networks"] == 1
    )
    assert [n["operator"] for n in run(place, "plan", "--json").json["notices"]] == [
        "Example Abuse [NET-198-51-100-0]"
    ]
    # A table goes before it, and a file loaded again takes the place of itself.
    for _ in range(2):
        assert run(place, "operators", "load", str(place / "operators.csv"), "--json").json["networks"] == 2
    assert len(run(place, "operators", "list", "--json").json) == 3
    assert "Example ISP" in run(place, "operators", "list").out
    (place / "more.csv").write_text("network,name,mail\n198.51.100.0/24,Other,a@o.example\n", "utf-8")
    assert "belongs to Example ISP" in run(place, "operators", "load", str(place / "more.csv")).err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('to = "mail"\nsender = "a@b.example"', "lacks server"), ('sender = "a@b.example"', "lacks folder"),
        ('folder = "x"', "lacks sender"), ('folder = "x"\nsender = "a@b\\r\\nBcc: c@d"', "no mail address"),
        ('folder = "x"\nsender = "a@b.example"\nname = "a\\nb"', "more than one line"),
        ('folder = "x"\nsender = "a@b.example"\ntlp = "red"', "RED"),
        ('folder = "x"\nsender = "a@b.example"\nkinds = ["x"]', "no kind"),
        ('folder = "x"\nsender = "a@b.example"\nrdap = "ftp://x"', "no web address"),
        ('folder = "x"\nsender = "a@b.example"\nrepeat_days = 0', ">= 1"), ('folder = "x"\nsendr = "a"', "sendr"),
    ],
)  # fmt: skip
def test_a_wrong_section_is_refused(place: Path, wrong: str, said: str) -> None:
    (place / "noroshi.toml").write_text(f"[notify]\n{wrong}\n", "utf-8")
    shown = run(place, "plan")
    assert shown.code == 2
    assert said in shown.err
