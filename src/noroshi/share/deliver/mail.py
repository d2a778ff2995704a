"""Findings by mail (SMTP, RFC 5321): one plain-text message in two languages, the findings as JSON beside it."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from noroshi.model.finding import Finding, iso
from noroshi.model.tlp import Tlp
from noroshi.share.deliver.target import DeliveryError, as_json

TIMEOUT_S = 30.0
SHOWN = 100
"""Findings told in words; the attachment has all."""


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
            message = compose(findings, self.sender, self.recipients)
            with self._connect() as smtp:
                if self.tls == "starttls":
                    smtp.starttls(context=ssl.create_default_context())
                if self.user:
                    smtp.login(self.user, self.password)
                refused = smtp.send_message(message, self.sender, list(self.recipients))
        except (OSError, smtplib.SMTPException, ValueError) as e:  # ValueError: an address that is none
            raise DeliveryError(
                f"the mail server did not take it: {e or type(e).__name__}",
                where=f"{self.server}:{self.port}",
                todo="Check `server`, `tls`, `user` and the password's variable in [[deliver]].",
            ) from e
        if refused:
            raise DeliveryError(
                f"refused for {', '.join(sorted(refused))}", where=f"{self.server}:{self.port}",
                todo="Check `recipients` in [[deliver]].",
            )  # fmt: skip

    def _connect(self) -> smtplib.SMTP:
        # The name it greets with is the sender's domain: the machine's own would have to be looked up, and told.
        name = self.sender.rpartition("@")[2] or None
        if self.tls == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.server, self.port, name, timeout=TIMEOUT_S, context=context)
        return smtplib.SMTP(self.server, self.port, name, timeout=TIMEOUT_S)


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
