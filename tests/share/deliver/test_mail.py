"""Findings by mail, to a server on loopback."""

from __future__ import annotations

import email
import email.policy
import json
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller

from noroshi.share.deliver import mail
from noroshi.share.deliver.mail import SHOWN, MailSender, compose
from noroshi.share.deliver.target import DeliveryError
from tests.support.findings import finding, one_of_each

SENDER, TO = "noroshi@example.net", ("csirt@example.net", "duty@example.org")


class Box:
    """Keeps what it is handed; refuses the recipients it is told to."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.refused: tuple[str, ...] = ()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.got.append(envelope)
        return "250 OK"


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    made = Box()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(made, hostname="127.0.0.1", port=port, server_hostname="mx.example.net")
    controller.start()
    yield made, port
    controller.stop()


def sender(port: int, **more: Any) -> MailSender:
    return MailSender("127.0.0.1", port, SENDER, TO, **({"tls": "none"} | more))


def parsed(envelope: Any) -> EmailMessage:
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_one_message_with_words_and_json(box: tuple[Box, int]) -> None:
    held, port = box
    sender(port).send(one_of_each())
    (envelope,) = held.got
    assert (envelope.mail_from, tuple(envelope.rcpt_tos)) == (SENDER, TO)
    message = parsed(envelope)
    assert message["Subject"] == "[TLP:AMBER+STRICT] Noroshi: 9 findings / 検知 9 件"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["To"] == ", ".join(TO)
    body = message.get_body(("plain",))
    assert body is not None
    words = body.get_content()
    assert "198.51.100.7 did it." in words
    assert "198.51.100.7 による。" in words
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "findings.json"
    assert [f["id"] for f in json.loads(attached.get_content())] == [f.id for f in one_of_each()]


def test_hostile_text_injects_no_header_and_no_line() -> None:
    text = "x\r\nBcc: all@example.com\r\n\r\n.\r\nMAIL FROM:<a@b>\u2028\x1b[2J\udc80\u202e"
    message = compose(
        [finding(value=text.replace("\udc80", ""), summary={"en": text, "ja": text})], SENDER, TO
    )
    back = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    assert back["Bcc"] is None
    assert {k.lower() for k in back.keys()} == {  # noqa: SIM118  a message is no dict
        "subject", "from", "to", "date", "message-id", "auto-submitted", "mime-version", "content-type",
    }  # fmt: skip
    words = cast("EmailMessage", back.get_body(("plain",))).get_content()
    assert not [line for line in words.splitlines() if line.startswith(("Bcc", "MAIL", "."))]
    assert not {"\x1b", "\u2028", "\u202e", "\udc80"} & set(words)


def test_many_are_told_in_part_and_attached_whole(box: tuple[Box, int]) -> None:
    held, port = box
    sender(port).send([finding(value=f"10.0.{n // 250}.{n % 250}") for n in range(SHOWN + 250)])
    message = parsed(held.got[0])
    assert (
        "... 250 more in the attachment." in cast("EmailMessage", message.get_body(("plain",))).get_content()
    )
    (attached,) = message.iter_attachments()
    assert len(json.loads(attached.get_content())) == SHOWN + 250


def test_a_refused_recipient_is_told(box: tuple[Box, int]) -> None:
    held, port = box
    held.refused = (TO[1],)
    with pytest.raises(DeliveryError, match=r"refused for duty@example\.org"):
        sender(port).send([finding()])
    held.refused = TO
    with pytest.raises(DeliveryError, match="did not take it"):
        sender(port).send([finding()])


def test_a_server_without_starttls_gets_nothing(box: tuple[Box, int]) -> None:
    held, port = box
    with pytest.raises(DeliveryError, match="did not take it") as told:
        sender(port, tls="starttls", user="u", password="hunter2").send([finding()])
    assert held.got == []
    assert "hunter2" not in str(told.value)


def test_a_password_is_never_sent_to_a_server_that_asks_for_none(box: tuple[Box, int]) -> None:
    held, port = box
    with pytest.raises(DeliveryError, match="did not take it"):
        sender(port, user="u", password="hunter2").send([finding()])
    assert held.got == []


def test_nobody_there_and_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DeliveryError, match="timed out"):
        sender(silent.getsockname()[1]).send([finding()])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError, match="did not take it"):
            sender(taken.getsockname()[1]).send([finding()])


@pytest.mark.parametrize("address", ["a@example.net\r\nBcc: b@example.com", "a@example.net\nX: y"])
def test_an_address_with_a_line_break_is_refused(address: str) -> None:
    with pytest.raises(DeliveryError, match="did not take it"):
        MailSender("127.0.0.1", 9, address, TO, "none").send([finding()])
