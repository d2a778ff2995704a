"""A notice as a mail: words, and the evidence as a table beside them.

The message is a function of what it tells and nothing else, its Date aside: the same things told to the same operator
give the same bytes, and its id is a digest of them. So what `plan` shows is what `send` sends, and what went out once
is known by its id.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from noroshi.model.finding import iso
from noroshi.model.tlp import Tlp, strictest
from noroshi.share.notify import table
from noroshi.share.notify.items import KINDS, SERVICES, Item, Row
from noroshi.share.notify.operators import Operator
from noroshi.share.notify.words import words

VERSION = 1
"""Of the text: another text is another notice."""
SHOWN_ITEMS = 20
"""Of each kind in the words, the surest; the table has all."""
SHOWN_ROWS = 5
MAX_ITEMS = 5_000
"""Of one notice: a table of 100,000 rows, 20 MB; what is beyond goes with the next."""
_TLP = {
    Tlp.CLEAR: "tlp_clear",
    Tlp.GREEN: "tlp_green",
    Tlp.AMBER: "tlp_amber",
    Tlp.AMBER_STRICT: "tlp_strict",
}


@dataclass(frozen=True)
class Sender:
    """Who writes."""

    address: str
    """The From address."""
    name: str = ""
    """The organisation."""
    reply_to: str = ""
    contact: str = ""
    """A line: telephone, web page."""


@dataclass(frozen=True)
class Notice:
    """One message to one operator."""

    id: str
    operator: Operator
    channel: str
    mails: tuple[str, ...]
    items: tuple[Item, ...]
    subject: str
    message_id: str
    body: bytes
    """The whole message but for its Date, lines ending with CR LF."""
    files: dict[str, bytes]

    @property
    def tlp(self) -> Tlp:
        """The strictest marking of what it tells."""
        return strictest(i.tlp for i in self.items)

    def dated(self, now: datetime) -> bytes:
        """The message as it is handed over."""
        return dated(self.body, now)


def dated(body: bytes, now: datetime) -> bytes:
    """A message with its Date."""
    return b"Date: " + format_datetime(now.astimezone(UTC).replace(microsecond=0)).encode() + b"\r\n" + body


def notice(
    operator: Operator, channel: str, mails: Sequence[str], items: Sequence[Item], sender: Sender
) -> Notice:
    """The notice that tells these items; every item has a word in the table, the first ones in the text."""
    ordered = tuple(items)
    number = identity(operator, channel, mails, ordered, sender)
    files = table.files(ordered, operator.name)
    if operator.format == "xarf":
        from noroshi.share.notify.xarf import files as documents

        files |= documents(ordered, sender, number)
    subject = _subject(ordered, operator.lang, number)
    domain = sender.address.rpartition("@")[2] or "noroshi.invalid"
    message_id = f"<{number}.notice@{domain}>"
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = sender.address, ", ".join(mails) or "undisclosed-recipients:;"
    if sender.reply_to:
        message["Reply-To"] = sender.reply_to
    message["Subject"], message["Message-ID"] = subject, message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: vacation replies to a program help nobody
    message["X-Noroshi-Notice"] = number
    body = text(operator, ordered, sender, number, list(files))
    message.set_content(body, cte="base64" if operator.lang == "ja" else "quoted-printable")
    for name, data in files.items():
        kind = ("text", "csv") if name.endswith(".csv") else ("application", "json")
        message.add_attachment(data, maintype=kind[0], subtype=kind[1], filename=name)
    message.set_boundary(f"=_{number}")  # else a random one
    return Notice(
        number, operator, channel, tuple(mails), ordered, subject, message_id, message.as_bytes(), files
    )


def identity(
    operator: Operator, channel: str, mails: Sequence[str], items: Sequence[Item], sender: Sender
) -> str:
    """The id: `n-` and 80 bits of SHA-256 over all that is told, and to whom."""
    told = [{k: v for k, v in asdict(i).items() if k != "detail"} for i in items]
    content = [
        VERSION,
        operator.name,
        operator.lang,
        operator.format,
        channel,
        list(mails),
        asdict(sender),
        told,
    ]
    canonical = json.dumps(content, sort_keys=True, default=_plain, ensure_ascii=True)
    return f"n-{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else str(value)


def _subject(items: Sequence[Item], lang: str, number: str) -> str:
    w = words(lang)
    counts = [(k, sum(i.kind == k for i in items)) for k in KINDS]
    parts = [w["kind"][k]["short"].format(n=n) for k, n in counts if n]
    what = ("、" if lang == "ja" else ", ").join(parts[:3]) + (" ..." if len(parts) > 3 else "")
    most = max((i.round for i in items if i.told), default=1)
    key = "subject_reminder" if most > 1 else "subject"
    return str(w[key].format(tlp=strictest(i.tlp for i in items).label, what=what, id=number, round=most - 1))


def text(operator: Operator, items: Sequence[Item], sender: Sender, number: str, files: Sequence[str]) -> str:
    """The words of a notice."""
    w = words(operator.lang)
    n = len({i.subject for i in items})
    hosts = w["host"] if n == 1 else w["hosts"].format(n=n)
    intro = w["intro" if sender.name else "intro_unnamed"].format(sender=sender.name, hosts=hosts)
    lines = [w["greeting"].format(operator=operator.name), "", intro, w["reference"].format(id=number), ""]
    for kind in KINDS:
        some = [i for i in items if i.kind == kind]
        if some:
            lines += _kind(kind, some, some[:SHOWN_ITEMS], w)
    lines += [w["times"], w["attached"].format(files=", ".join(files)), ""]
    lines += [f"== {w['answer']}", w["answer_reply"].format(id=number)]
    if sender.contact:
        lines.append(w["answer_contact"].format(contact=sender.contact))
    lines += ["", f"== {w['optout']}", w["optout_reply"], "", f"== {w['handling']}"]
    lines += [w[_TLP[strictest(i.tlp for i in items)]], w["privacy"], ""]
    return "\n".join(lines)


def _kind(kind: str, items: Sequence[Item], shown: Sequence[Item], w: dict[str, Any]) -> list[str]:
    k = w["kind"][kind]
    lines = [f"== {k['title']} ({len(items)})", k["what"], ""]
    for item in shown:
        lines += [*_item(item, w), ""]
    if len(items) > len(shown):
        lines += [w["items_more"].format(n=len(items) - len(shown)), ""]
    lines += [f"-- {w['why']}", k["why"]]
    classes = sorted({str(i.facts.get("class")) for i in items} & set(k.get("class", {})))
    lines += [k["class"][c] for c in classes]
    lines += ["", f"-- {w['advice']}", *(f"* {a}" for a in k["advice"]), ""]
    return lines


def _item(item: Item, w: dict[str, Any]) -> list[str]:
    seen = w["seen"].format(first=iso(item.first_seen), last=iso(item.last_seen))
    lines = [w["item"].format(subject=item.subject, confidence=item.confidence), f"  {seen}"]
    whose = " ".join(p for p in (item.network, item.asn if item.asn != item.network else "") if p)
    lines.append("  " + w["network"].format(network=whose))
    if item.again:
        lines.append("  " + w["returned"])
    if item.round > 1 and item.told:
        lines.append("  " + w["again"].format(round=item.round - 1, first=item.told[0], last=item.told[-1]))
    ja = w is words("ja")
    lines += [f"  {w['fact'][name]}: {_fact(value, w, ja)}" for name, value in item.facts.items()]
    if item.rows:
        lines.append("  " + w["evidence_service" if item.kind in SERVICES else "evidence"])
        lines += [f"    {_evidence(r)}" for r in item.rows[-SHOWN_ROWS:]]
        if len(item.rows) > SHOWN_ROWS:
            lines.append("    " + w["evidence_more"].format(n=len(item.rows) - SHOWN_ROWS))
    return lines


def _fact(value: Any, w: dict[str, Any], ja: bool) -> str:
    if isinstance(value, list):
        return ("; " if value and isinstance(value[0], dict) else ", ").join(_fact(v, w, ja) for v in value)
    if isinstance(value, dict):
        parts = []
        for name, v in value.items():
            if name == ("reason" if ja else "reason_ja"):
                continue
            if name == "kev":
                parts += [w["fact"]["kev"]] if v else []
            elif name in ("fixed_version", "epss", "cvss"):
                parts.append(f"{w['fact'].get(name, name.upper())} {v}")
            else:
                parts.append(str(v))
        return " ".join(parts)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _evidence(row: Row) -> str:
    ends = f"{row.port if row.port is not None else '-'}"
    if row.other_port is not None:
        ends += f" -> {row.other_port}"
    count = f" x{row.count}" if row.count and row.count > 1 else ""
    said = f' "{row.banner}"' if row.banner else ""
    return " ".join(p for p in (f"{iso(row.ts)} {row.protocol}", f"{ends}{count}", row.what) if p) + said
