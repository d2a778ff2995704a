"""Opting out, as kept and audited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noroshi.model.errors import SourceError, UsageError
from noroshi.share.notify.operators import canonical_network, check_mail

if TYPE_CHECKING:
    from noroshi.lake.state import State
    from noroshi.lake.state.optouts import OptOut

MAX_PROOF = 64 << 10
"""Of a mail with its headers."""
MAX_REASON = 2000


def add(
    state: State, who: str, value: str, reason: str, proof: str, file: Path | None
) -> tuple[OptOut, bool]:
    """(the opt-out in force, True when it is new). Raises UsageError, SourceError."""
    kind, canonical = parse(value)
    if file is not None:
        if proof:
            raise UsageError("two proofs are given", todo="Give --proof or --proof-file.")
        with file.open("rb") as opened:
            data = opened.read(MAX_PROOF + 1)
        if len(data) > MAX_PROOF:
            raise SourceError(
                f"is larger than {MAX_PROOF >> 10} KiB", where=str(file), todo="Keep the mail's text."
            )
        proof = data.decode("utf-8", "replace")
    if not reason.strip() or len(reason) > MAX_REASON or len(proof) > MAX_PROOF:
        raise UsageError("the reason is empty or too long", todo=f"At most {MAX_REASON} characters.")
    state.audit.tell(who, "opt-out", count=1, kind=kind, value=canonical, reason=reason)
    return state.optouts.add(kind, canonical, reason, proof, who)


def end(state: State, who: str, number: int, reason: str) -> OptOut:
    """Ends one. Raises UsageError."""
    state.audit.tell(who, "opt-out-end", count=1, number=number, reason=reason[:MAX_REASON])
    return state.optouts.end(number, who, reason[:MAX_REASON])


def parse(value: str) -> tuple[str, str]:
    """(prefix, asn or mail; its canonical text). Raises UsageError."""
    text = value.strip()
    try:
        if "@" in text:
            return "mail", check_mail(text, "").lower()
        network = canonical_network(text, "")
    except SourceError as e:
        raise UsageError(e.what, todo="Write a prefix, an address, AS64500 or a mail address.") from e
    return ("asn", network) if network.startswith("AS") else ("prefix", network)
