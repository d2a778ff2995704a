"""A plan of notices in JSON types, as `--json` and the API show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noroshi.model.finding import iso

if TYPE_CHECKING:
    from noroshi.share.notify.compose import Notice
    from noroshi.work.notify import Plan


def document(made: Plan) -> dict[str, Any]:
    """All of a plan."""
    return {
        "channel": made.channel,
        "notices": [notice(n) for n in made.notices],
        "held": [{"operator": h.operator, "items": h.items, "why": h.why} for h in made.held],
        "told_before": made.told,
        "unresolved": [{"kind": u.kind, "subject": u.subject, "asn": u.asn or None} for u in made.unresolved],
        "opted_out": [{"kind": k, "subject": s, "opt_out": n} for k, s, n in made.opted_out],
    }


def notice(n: Notice) -> dict[str, Any]:
    """One notice, without its text."""
    return {
        "id": n.id, "operator": n.operator.name, "mails": list(n.mails), "tlp": n.tlp.value, "subject": n.subject,
        "lang": n.operator.lang, "size": len(n.body), "files": {name: len(data) for name, data in n.files.items()},
        "items": [
            {
                "kind": i.kind, "subject": i.subject, "network": i.network, "confidence": i.confidence,
                "tlp": i.tlp.value, "first_seen": iso(i.first_seen), "last_seen": iso(i.last_seen),
                "findings": list(i.findings), "evidence_rows": len(i.rows), "round": i.round, "episode": i.episode,
            }
            for i in n.items
        ],
    }  # fmt: skip
