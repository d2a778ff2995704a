"""Findings by mail (SMTP, RFC 5321): one plain-text message in two languages, the findings as JSON beside it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid

from noroshi.model.finding import Finding, iso
from noroshi.model.tlp import Tlp
from noroshi.share.deliver.target import DeliveryError, as_json

TIMEOUT_S = 30.0
SHOWN = 100
"""Findings told in words; the attachment has all."""


class Refused(DeliveryError):
    """The server took nothing, for certain."""

    def __init__(self, what: str, *, where: str = "", todo: str = "", permanent: bool = False) -> None:
        super().__init__(what, where=where, todo=todo)
        self.permanent = permanent
        """The server said that trying again is of no use: it knows none of the recipients."""


class Unclear(DeliveryError):
    """Whether the server took it is not known."""


@dataclass(frozen=True)
class MailSender:
    """A mail server and whom to write to. `tls`: starttls (the default), tls (from the start), none."""

    server: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    tls: str = "starttls"
    user: str = ""
    password: str = ""

    def send(self, findings: Sequence[Finding]) -> None:
        """Hands one message over to the server."""
        try:
            message = compose(findings, self.sender, self.recipients).as_bytes(policy=SMTP)
        except ValueError as e:  # an address that is none
            raise self._failed(e) from e
        refused = self.hand_over(message)
        if refused:
            raise DeliveryError(
                f"refused for {', '.join(sorted(refused))}", where=f"{self.server}:{self.port}",
                todo="Check `recipients` in [[deliver]].",
            )  # fmt: skip

    def hand_over(self, message: bytes) -> dict[str, str]:
        """Hands a finished message over, byte for byte; the recipients the server refused, each with what it said.

        Raises Refused when it is certain that the server did not take it, Unclear when the connection ended after the
        whole message was on its way and before the server answered; then it may have arrived.
        """
        given = False
        answer: dict[str, tuple[int, bytes]] | None = None
        try:
            with self._connect() as smtp:
                if self.tls == "starttls":
                    smtp.starttls(context=ssl.create_default_context())
                if self.user:
                    smtp.login(self.user, self.password)
                real = smtp.data

                def data(body: bytes | str) -> tuple[int, bytes]:
                    nonlocal given
                    given = True
                    return real(body)

                setattr(smtp, "data", data)  # noqa: B010 - to know whether the message itself was on its way
                answer = smtp.sendmail(self.sender, list(self.recipients), message)
        except (OSError, smtplib.SMTPException, ValueError) as e:  # ValueError: an address that is none
            if answer is None:  # else it was taken, and only the farewell went wrong
                raise self._problem(e, given) from e
        return {to: _said(*said) for to, said in (answer or {}).items()}

    def _problem(self, e: Exception, given: bool) -> DeliveryError:
        if isinstance(e, smtplib.SMTPRecipientsRefused):
            return self._failed(e, permanent=all(code >= 500 for code, _ in e.recipients.values()))
        if given and not isinstance(e, smtplib.SMTPDataError):
            return Unclear(
                f"the connection ended before the server answered: {e or type(e).__name__}",
                where=f"{self.server}:{self.port}", todo="Look in the server's log whether the message arrived.",
            )  # fmt: skip
        return self._failed(e)

    def _failed(self, e: Exception, *, permanent: bool = False) -> Refused:
        return Refused(
            f"the mail server did not take it: {e or type(e).__name__}",
            where=f"{self.server}:{self.port}",
            todo="Check `server`, `tls`, `user` and the password's variable in [[deliver]].",
            permanent=permanent,
        )

    def _connect(self) -> smtplib.SMTP:
        # The name it greets with is the sender's domain: the machine's own would have to be looked up, and told.
        name = self.sender.rpartition("@")[2] or None
        if self.tls == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.server, self.port, name, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(self.server, self.port, name, timeout=TIMEOUT_S)


def _said(code: int, text: bytes) -> str:
    return f"{code} {text.decode('utf-8', 'replace')}"[:300]


def compose(findings: Sequence[Finding], sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The message; its subject carries the strictest marking of what it holds."""
    strictest = max((f.tlp for f in findings), key=lambda t: t.rank, default=Tlp.CLEAR)
    what = "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
    message = EmailMessage()
    message["Subject"] = f"[{strictest.label}] Noroshi: {what} / 検知 {len(findings)} 件"
    message["From"], message["To"] = sender, ", ".join(recipients)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="noroshi.invalid")
    # RFC 3834: vacation replies to a program help nobody.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_words(f) for f in findings[:SHOWN]) + _rest(len(findings)))
    body = as_json([f.to_json() for f in findings], indent=1)
    message.add_attachment(body, maintype="application", subtype="json", filename="findings.json")
    return message


def _words(finding: Finding) -> str:
    lines = [
        f"{finding.kind}  {_printable(finding.subject.value)}  {finding.tlp.label}",
        f"  {iso(finding.first_seen)} .. {iso(finding.last_seen)}  confidence {finding.confidence}",
        f"  {_printable(finding.summary.get('en', ''))}",
        f"  {_printable(finding.summary.get('ja', ''))}",
        f"  noroshi why {finding.id}",
    ]
    return "\n".join(lines) + "\n"


def _rest(count: int) -> str:
    return f"\n... {count - SHOWN:,} more in the attachment.\n" if count > SHOWN else "\n"


def _printable(text: str) -> str:
    """Hostile text on one line without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
