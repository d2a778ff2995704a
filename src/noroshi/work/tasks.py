"""One function per `do` of a `[[job]]`: each does what the verb of that name does, and says what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.config import JobEntry
from noroshi.model.errors import LakeError
from noroshi.model.tlp import parse

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake
    from noroshi.lake.state import State
    from noroshi.work.ingest import IngestResult


@dataclass
class Context:
    """What a job works on, and what it remembers between two times."""

    lake: Lake
    config: Config
    state: State
    stop: threading.Event
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of the files a `poll` has looked at."""


def _follow(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.follow import follow

    results: list[IngestResult] = []
    follow(
        context.lake, _path(job, context), config=context.config, settle_s=job.settle_s, once=once,
        stop=context.stop, on_result=results.append if once else None, as_format=job.format or None,
        tlp=parse(job.tlp) if job.tlp else None, source_name=job.source or None,
    )  # fmt: skip
    return _read(results)


def _poll(job: JobEntry, context: Context, once: bool) -> str:
    """Reads what is new or has grown; a file that looks as it did is not opened."""
    from noroshi.observe.find import find
    from noroshi.work.ingest import ingest

    found = [
        f for f in find([_path(job, context)], exclude=(context.lake.path,))
        if context.seen.get(f.path) != (f.size, f.mtime_ns)
    ]  # fmt: skip
    results = ingest(
        context.lake, (f for f in found if not context.stop.is_set()), config=context.config,
        as_format=job.format or None, tlp=parse(job.tlp) if job.tlp else None, source_name=job.source or None,
    )  # fmt: skip
    context.seen |= {f.path: (f.size, f.mtime_ns) for f in found[: len(results)]}
    return _read(results)


def _read(results: list[IngestResult]) -> str:
    fresh = [r for r in results if not r.known]
    rows = sum(sum(r.tables.values()) for r in fresh)
    bad = sum(bool(r.problem) for r in fresh)
    return f"{len(fresh)} new of {len(results)} sources, {rows:,} rows" + (
        f", {bad} with problems" if bad else ""
    )


def _analyse(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.analyse import analyse
    from noroshi.work.deliver import enqueue, flush
    from noroshi.work.targets import targets

    outcome = analyse(context.lake, config=context.config, names=job.names)
    ways = targets(context.config)
    fresh = [f for f, change in outcome.changes if change != "withdrawn"]
    enqueue(context.state, [t for t, _ in ways], fresh)
    problems = flush(
        context.lake, context.state, ways, config=context.config, who=f"job:{job.name or job.do}"
    ).problems
    days = f", {outcome.days} days judged" if outcome.days else ""
    return f"{len(outcome.changes)} findings new or changed{days}" + _told(problems)


def _watch(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.deliver import enqueue
    from noroshi.work.targets import targets
    from noroshi.work.watch import check

    done = check(context.lake, context.state)
    enqueue(context.state, [t for t, _ in targets(context.config)], [f for f, _ in done.hits])
    return f"{len(done.hits)} hits of {done.watches} watches; " + _deliver(job, context, once)


def _notify(job: JobEntry, context: Context, once: bool) -> str:
    """Sends the notices of `[notify]`. Without one it does what it did before there were any: `deliver`."""
    if context.config.notify is None:
        return _deliver(job, context, once) + ' (write do = "deliver")'
    from noroshi.work.notify_send import send

    done = send(context.lake, context.config, context.state, f"job:{job.name or job.do}")
    told = f"{len(done.sent)} notices sent, {done.items} items"
    if done.unclear:
        told += f"; unclear whether these arrived: {', '.join(done.unclear[:10])}"
    return told + _told(done.problems)


def _deliver(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.deliver import flush
    from noroshi.work.targets import targets

    sent = flush(
        context.lake,
        context.state,
        targets(context.config),
        config=context.config,
        who=f"job:{job.name or job.do}",
    )
    return f"{sum(sent.delivered.values())} delivered" + _told(sent.problems)


def _told(problems: list[str]) -> str:
    return "".join(f"; not delivered: {p}" for p in problems)


def _report(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.report import NothingToReport, report

    try:
        files = report(
            context.lake, config=context.config, period=job.period, langs=job.lang or ["en"],
            folder=_out(job, context), recipient=job.recipient or "own", state=context.state,
            who=f"job:{job.name or job.do}",
        )  # fmt: skip
    except NothingToReport:
        return "nothing to report on yet"
    return f"wrote {len(files)} files"


def _share(job: JobEntry, context: Context, once: bool) -> str:
    """Writes what the recipient may see, in the standard the job names."""
    to, who = job.recipient or "public", f"job:{job.name or job.do}"
    given: dict[str, Any] = {"config": context.config, "recipient": to, "state": context.state, "who": who}
    if job.standard == "misp":
        from noroshi.work.share_misp import share_misp

        fed = share_misp(context.lake, folder=_out(job, context), **given).feed
        return f"{fed.events} events for {to}, {fed.written} written, {fed.removed} removed"
    if job.standard in ("csv", "jsonl", "shadowserver"):
        from noroshi.work.share_rows import share_rows

        columns = "shadowserver" if job.standard == "shadowserver" else ""
        format = "csv" if columns else job.standard
        rows = share_rows(context.lake, path=_out(job, context), format=format, columns=columns, **given)
        return f"{rows.rows} rows for {to}"
    if job.standard in ("nftables", "rpz", "plain"):
        from noroshi.work.blocklist import share_blocklist

        listed = share_blocklist(context.lake, path=_out(job, context), format=job.standard, **given)
        return f"{len(listed.chosen.entries)} entries for {to}"
    from noroshi.work.share import share_stix

    done = share_stix(context.lake, path=_out(job, context), **given)
    return f"{done.findings} findings for {to}"


def _publish(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.publish import publish

    done = publish(
        context.lake, context.config, context.state, names=[job.recipient] if job.recipient else (),
        who=f"job:{job.name or job.do}",
    )  # fmt: skip
    new = sum(d.changes.added + d.changes.changed for d in done)
    return f"{new:,} objects new, {sum(d.changes.removed for d in done):,} gone, {len(done)} collections"


def _pull(job: JobEntry, context: Context, once: bool) -> str:
    """Takes in what is new; a server that fails is told as a failed job, and waited for longer each time."""
    from noroshi.model.errors import SourceError
    from noroshi.work.pull import pull

    done = pull(context.lake, context.config, context.state, job, stopped=context.stop.is_set)
    if done.error:
        raise SourceError(
            f"{done.error}\n{done.told()}", todo="It is tried again by itself, later each time."
        )
    return done.told()


def _compact(job: JobEntry, context: Context, once: bool) -> str:
    return f"{sum(context.lake.compact(only_needed=True).values()):,} rows rewritten"


def _vacuum(job: JobEntry, context: Context, once: bool) -> str:
    return f"{context.lake.vacuum()} files deleted"


def _retain(job: JobEntry, context: Context, once: bool) -> str:
    from noroshi.work.lake import retain

    gone = retain(context.lake, context.config.retention)
    return f"{sum(gone['rows'].values()):,} rows beyond their time taken out"


def _verify(job: JobEntry, context: Context, once: bool) -> str:
    found = context.lake.verify()
    if found:
        raise LakeError(
            f"{len(found)} problems, the first: {found[0].what}", where=found[0].where,
            todo="noroshi lake verify tells them all.",
        )  # fmt: skip
    return "nothing to mend"


def _path(job: JobEntry, context: Context) -> str:
    return str(_beside(job.path, context))


def _out(job: JobEntry, context: Context) -> Path:
    return _beside(job.out, context)


def _beside(text: str, context: Context) -> Path:
    """A path of the configuration: relative ones from its folder."""
    base = context.config.path.parent if context.config.path else Path()
    return base / Path(text).expanduser()


TASKS: dict[str, Callable[[JobEntry, Context, bool], str]] = {
    "follow": _follow, "poll": _poll, "analyse": _analyse, "watch": _watch, "deliver": _deliver,
    "notify": _notify,
    "report": _report, "share": _share, "publish": _publish, "compact": _compact, "vacuum": _vacuum, "retain": _retain,
    "verify": _verify, "pull": _pull,
}  # fmt: skip
