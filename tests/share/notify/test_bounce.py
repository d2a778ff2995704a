"""What comes back: delivery reports as mail servers write them, answers, and whatever else lands in a mailbox."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.share.notify.bounce import messages, parse

OURS = "<n-0123456789abcdef0123.notice@cert.example>"
TO = "abuse@isp.example"


def bounce(action: str = "failed", to: str = TO, headers_only: bool = False, ours: str = OURS) -> bytes:
    """A report in the form of RFC 3464, section 3, example of appendix D.1."""
    returned = f"From: notices@cert.example\r\nMessage-ID: {ours}\r\nSubject: x\r\n"
    kind = "text/rfc822-headers" if headers_only else "message/rfc822"
    return (
        "From: MAILER-DAEMON@mx.isp.example\r\nTo: notices@cert.example\r\nSubject: Undelivered\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.isp.example\r\n\r\n"
        f"Final-Recipient: rfc822; {to}\r\nAction: {action}\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 unknown user\r\n"
        f"\r\n--b\r\nContent-Type: {kind}\r\n\r\n{returned}\r\nbody\r\n--b--\r\n"
    ).encode()


def answer(text: str, **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["In-Reply-To"] = f"Abuse <{TO}>", OURS
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


@pytest.mark.parametrize("headers_only", [False, True])
def test_a_report_of_failure(headers_only: bool) -> None:
    reply = parse(bounce(headers_only=headers_only))
    assert reply
    assert (reply.notices, reply.failed, reply.automatic) == ((OURS,), (TO,), True)
    assert reply.status.startswith("5.1.1 smtp; 550")


def test_a_delay_is_no_failure() -> None:
    reply = parse(bounce("delayed"))
    assert reply
    assert (reply.failed, reply.delayed) == ((), (TO,))


def test_answers_of_people_and_machines() -> None:
    reply = parse(answer("We cleaned it.\n> STOP\n"))
    assert reply
    assert (reply.sender, reply.automatic, reply.stop) == (TO, False, False)
    for text in ("STOP\n198.51.100.0/24", "hello\n\n停止。\n", "opt-out: all\n"):
        reply = parse(answer(text))
        assert reply
        assert reply.stop
    reply = parse(answer("I am away", Auto_Submitted="auto-replied"))
    assert reply
    assert reply.automatic


def test_what_is_not_ours_is_nothing() -> None:
    assert parse(b"From: a@b\r\n\r\nhello") is None
    assert parse(bounce(ours="<other@example.net>")) is None
    assert parse(b"") is None


@given(st.binary(max_size=400), st.integers(0, 900), st.integers(0, 60))
def test_any_bytes_never_raise(noise: bytes, place: int, cut: int) -> None:
    whole = bounce()
    parse(noise)
    parse(whole[:place] + noise + whole[place + cut :])


def test_depth_is_bounded() -> None:
    deep = b"".join(
        f'Content-Type: multipart/mixed; boundary="{n}"\r\n\r\n--{n}\r\n'.encode() for n in range(3000)
    )
    reply = parse(b"In-Reply-To: " + OURS.encode() + b"\r\n" + deep)
    assert reply is None or not reply.failed


def test_mailboxes_of_three_forms(tmp_path: Path) -> None:
    one, two = bounce().replace(b"\r\n", b"\n"), answer("ok\n\nFrom here on it is fine\n")
    box = tmp_path / "mbox"
    box.write_bytes(b"From x Thu\n" + one + b"\nFrom y Fri\n" + two.replace(b"\nFrom ", b"\n>From ") + b"\n")
    assert [parse(m) is not None for m in messages(box)] == [True, True]
    (tmp_path / "dir" / "new").mkdir(parents=True)
    (tmp_path / "dir" / "new" / "1").write_bytes(one)
    (tmp_path / "dir" / "2.eml").write_bytes(two)
    assert len(list(messages(tmp_path / "dir"))) == 2
    (tmp_path / "one.eml").write_bytes(two)
    assert len(list(messages(tmp_path / "one.eml"))) == 1
