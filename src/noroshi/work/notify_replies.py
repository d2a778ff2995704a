"""What came back, made into states of notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.share.notify.bounce import Reply, messages, parse
from noroshi.work.notify_send import acknowledge as took
from noroshi.work.notify_send import give_back

if TYPE_CHECKING:
    from noroshi.lake.state import State
    from noroshi.lake.state.notices import NoticeRow


@dataclass
class Replies:
    """What a mailbox held."""

    messages: int = 0
    returned: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    """(notice, who answered), for a person to read."""
    stop: list[tuple[str, str]] = field(default_factory=list)
    """(notice, who asks to stop): a person checks who they are."""
    unknown: int = 0
    """Messages that name no notice of this lake."""
    unreadable: int = 0


def read(state: State, who: str, path: Path, *, acknowledge: bool = False) -> Replies:
    """Reads a mailbox; twice is once. Raises SourceError."""
    out = Replies()
    for data in messages(path):
        out.messages += 1
        reply = parse(data)
        rows = [r for m in reply.notices if (r := state.notices.by_message(m))] if reply else []
        if reply is None or not rows:
            out.unknown += 1
            continue
        for row in rows:
            _apply(state, who, row, reply, acknowledge, out)
    return out


def _apply(state: State, who: str, row: NoticeRow, reply: Reply, acknowledge: bool, out: Replies) -> None:
    """A report counts only for addresses the notice went to: anybody may write one."""
    mine = {m.lower() for m in row.mails}
    failed = mine & {f.lower() for f in reply.failed}
    if reply.delayed and mine & {d.lower() for d in reply.delayed}:
        out.delayed.append(row.id)
    if failed:
        # Nobody got it only when every address failed; reports may come one an address.
        if row.returned is None and state.notices.failed(row.id, failed) >= mine:
            give_back(state, who, row.id, reply.status)
            out.returned.append(row.id)
        return
    if reply.automatic:
        return
    (out.stop if reply.stop else out.answers).append((row.id, reply.sender))
    if acknowledge and not reply.stop and reply.sender.lower() in mine and row.acknowledged is None:
        took(state, who, row.id, "answered by mail")
        out.acknowledged.append(row.id)
