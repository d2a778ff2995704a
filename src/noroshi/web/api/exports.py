"""Exports: what a recipient may see, written in a standard, told to the audit log, and fetched as a file."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from noroshi.model.errors import UsageError
from noroshi.web.api.recipients import named, seen_reasons
from noroshi.web.api.works import WorkModel, accepted
from noroshi.web.longwork import Work
from noroshi.web.viewer import AsSharer, Visit

if TYPE_CHECKING:
    from noroshi.web.tower import Tower

router = APIRouter(tags=["exports"], prefix="/exports")
Format = Literal["stix", "misp", "csv", "jsonl", "shadowserver", "nftables", "rpz", "plain"]
FORMATS: dict[str, str] = {
    "stix": ".stix.json", "misp": ".misp.zip", "csv": ".csv", "jsonl": ".jsonl", "shadowserver": ".shadowserver.zip",
    "nftables": ".nft", "rpz": ".rpz", "plain": ".txt",
}  # fmt: skip
"""What can be written, and how the file's name ends."""
BLOCKLISTS = ("nftables", "rpz", "plain")


class NewExport(BaseModel):
    """What is to be written for whom."""

    recipient: Annotated[str, Field(min_length=1, max_length=64)]
    format: Format = Field(
        description="STIX 2.1 bundle, MISP feed (zip), rows, or a blocklist of what may be blocked now."
    )
    since: datetime | None = Field(
        None, description="Only what lasted until then or later; not for blocklists."
    )


@router.post("", response_model=WorkModel, status_code=202, name="make_export")
def make_export(visit: AsSharer, new: NewExport) -> Response:
    """Writes what a recipient may see, masked; the audit log is told before there is a file. RED is never in it."""
    return accepted(begun(visit, new.recipient, new.format, new.since))


def begun(visit: Visit, recipient: str, format: str, since: datetime | None = None) -> Work:
    """An export begun by this viewer. Raises NotFound, UsageError, TooMany."""
    from datetime import UTC

    to = named(visit, recipient).name
    if format not in FORMATS:
        raise UsageError(
            f"there is no format {format[:40]!r}", where="format", todo=f"Known: {', '.join(FORMATS)}."
        )
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    tower, who, name = (
        visit.tower,
        visit.viewer.actor,
        f"noroshi-{to}-{visit.now:%Y%m%dT%H%MZ}{FORMATS[format]}",
    )

    def do(work: Work, folder: Path) -> None:
        work.count, rest = write(tower, to, format, folder / name, since, who)
        work.result = {"withheld": seen_reasons(visit, rest)}
        work.files = (folder / name,)

    about: dict[str, Any] = {"recipient": to, "format": format}
    if since is not None:
        about["since"] = since.isoformat()
    return tower.longwork.begin(visit.viewer, "export", do, own=True, **about)


def write(
    tower: Tower, to: str, format: str, path: Path, since: datetime | None, who: str
) -> tuple[int, dict[str, int]]:
    """(findings, rows, attributes or entries in the file at `path`, what is withheld by reason)."""
    given: dict[str, Any] = {"config": tower.config, "recipient": to, "state": tower.state, "who": who}
    if format == "stix":
        from noroshi.work.share import share_stix

        done = share_stix(tower.lake, path=path, since=since, **given)
        return done.findings, done.withheld
    if format == "misp":
        from noroshi.work.share_misp import share_misp

        fed = share_misp(tower.lake, folder=path.with_suffix(""), since=since, **given)
        _zipped(path)
        return fed.feed.attributes, fed.withheld
    if format in BLOCKLISTS:
        from noroshi.work.blocklist import share_blocklist

        listed = share_blocklist(tower.lake, path=path, format=format, **given)
        return len(listed.chosen.entries), dict(listed.chosen.left_out)
    from noroshi.work.share_rows import share_rows

    if format == "shadowserver":
        rows = share_rows(
            tower.lake, path=path.with_suffix(""), format="csv", columns=format, since=since, **given
        )
        _zipped(path)
        return rows.rows, rows.withheld
    rows = share_rows(tower.lake, path=path, format=format, since=since, **given)
    return rows.rows, rows.withheld


def _zipped(path: Path) -> None:
    """The folder beside `path`, without what only its writer needs, as a zip file in its place."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    for hidden in folder.glob(".*"):
        hidden.unlink()
    shutil.make_archive(str(folder), "zip", folder)
    shutil.rmtree(folder)
