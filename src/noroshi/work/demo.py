"""The whole way on the bundled samples: ingest, analyse, report, STIX."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noroshi.model.errors import UsageError
from noroshi.model.finding import Finding

if TYPE_CHECKING:
    from noroshi.config import Config
    from noroshi.lake.handle import Lake

MARK = ".noroshi-demo"
"""Stands in every folder a demo made: only such a folder is made again."""
CAPTURES = (".pcap", ".pcapng", ".cap")
MIXED = "mixed"
"""The folder of samples with what other sources say of the synthetic day."""
LANGUAGES = ("en", "ja")
PACKED = (".gz", ".zst", ".xz")


@dataclass(frozen=True)
class Sample:
    """One bundled source and what came of it."""

    name: str
    format: str
    tables: dict[str, int]
    """Rows stored, by table; links and rejects aside."""
    packets: int
    flows: int
    first_seen: str
    known: bool
    problem: str


@dataclass(frozen=True)
class Demo:
    """What the demo made and found."""

    folder: Path
    lake: Path
    samples: list[Sample]
    findings: list[Finding]
    notes: list[str]
    pages: list[Path]
    """Every page of the reports, one per day that a telescope saw and language."""
    report: dict[str, Path]
    """The page of the newest day by language."""
    stix: Path
    objects: int
    seconds: float
    next_commands: list[str]

    def by_kind(self) -> dict[str, list[Finding]]:
        """Findings by kind, in the order of their kinds' names."""
        kinds: dict[str, list[Finding]] = {}
        for f in sorted(self.findings, key=lambda f: (f.kind, -f.confidence, f.subject.value)):
            kinds.setdefault(f.kind, []).append(f)
        return kinds

    def to_json(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "folder": str(self.folder), "lake": str(self.lake),
            "samples": [vars(s) for s in self.samples], "findings": [f.to_json() for f in self.findings],
            "report": {lang: str(path) for lang, path in self.report.items()},
            "pages": [str(p) for p in self.pages], "stix": str(self.stix),
            "seconds": round(self.seconds, 1), "next": self.next_commands,
        }  # fmt: skip


def samples_folder() -> Path:
    """Where the samples are: in the installed package, else beside the sources. Raises UsageError."""
    import noroshi

    package = Path(noroshi.__file__).parent
    for folder in (package / "samples", package.parents[1] / "samples"):
        if (folder / "noroshi.toml").is_file():
            return folder
    raise UsageError("the samples are missing from this installation", todo="Install Noroshi again.")


def captures(folder: Path) -> list[Path]:
    """The captures in the samples, by name."""

    def is_capture(path: Path) -> bool:
        name = path.name
        for packed in PACKED:
            name = name.removesuffix(packed)
        return path.is_file() and name.endswith(CAPTURES)

    return sorted(p for p in folder.rglob("*") if is_capture(p))


def evidence(folder: Path) -> list[Path]:
    """The samples of other kinds, by name."""
    return sorted(p for p in (folder / MIXED).glob("*") if p.is_file() and p.suffix != ".md")


def demo(
    folder: Path, *, samples: Path | None = None, tell: Callable[[str], None] = lambda text: None
) -> Demo:
    """Makes `folder` again and runs the whole way in it. `tell` is given one line per step.

    Raises UsageError when `folder` exists and no demo made it.
    """
    from noroshi import config as configuration
    from noroshi.lake.handle import Lake
    from noroshi.work.analyse import analyse
    from noroshi.work.findings import find
    from noroshi.work.ingest import first_run, ingest
    from noroshi.work.report import report
    from noroshi.work.share import share_stix

    began = time.monotonic()
    samples = samples or samples_folder()
    remake(folder)
    path = folder / "lake"
    path.mkdir()
    shutil.copyfile(samples / "noroshi.toml", path / "noroshi.toml")
    config = configuration.load(path / "noroshi.toml")
    lake = Lake.open(path, create=True)
    traces, others = captures(samples), evidence(samples)
    if text := first_run():
        tell(text)
    tell(f"Reading {len(traces)} captures and {len(others)} files of other kinds ...")
    results = ingest(lake, [*traces, *others], config=config)
    tell("Analysing ...")
    outcome = analyse(lake, config=config)
    tell("Writing the report ...")
    pages: list[Path] = []
    for day in covered_days(lake, config):
        written = report(lake, config=config, period=day, langs=LANGUAGES, folder=folder / "report")
        pages += [p for p in written if p.suffix == ".html"]
    stix = folder / "public.stix.json"
    shared = share_stix(lake, config=config, recipient="public", path=stix)
    found = find(lake)
    return Demo(
        folder=folder, lake=path, samples=_samples(lake, results, samples), findings=found,
        notes=outcome.notes,
        pages=pages,
        report={lang: [p for p in pages if p.name.endswith(f"{lang}.html")][-1] for lang in LANGUAGES},
        stix=stix, objects=shared.objects, seconds=time.monotonic() - began,
        next_commands=_next(path, found),
    )  # fmt: skip


def covered_days(lake: Lake, config: Config) -> list[str]:
    """The days on which a telescope saw something, as periods of a report, oldest first."""
    from noroshi.analyse.darknet.telescope import build_scopes

    snapshot = lake.snapshot()
    days = snapshot.days("flows")
    return [
        day.isoformat()
        for day in days
        if any(s.telescope for s in build_scopes(snapshot, day, config.telescopes, config.own))
    ]


def remake(folder: Path) -> None:
    """An empty folder with the demo's mark. Raises UsageError when something else is there."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(
            "is no folder the demo made", where=str(folder), todo="Name another: noroshi demo DIR"
        )
    if folder.exists():
        if not (folder / MARK).is_file() and any(folder.iterdir()):
            raise UsageError(
                "is there already and no demo made it, so it is left alone",
                where=str(folder),
                todo="Name another folder: noroshi demo DIR",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by `noroshi demo`, which deletes this folder and makes it again.\n")


def _samples(lake: Any, results: list[Any], samples: Path) -> list[Sample]:
    from noroshi.work.sql import rows

    text = (
        "SELECT run_id, sum(packet_count)::BIGINT AS packets, count(*) AS flows,"
        " min(first_seen) AS first_seen FROM flows GROUP BY run_id"
    )
    seen = {r["run_id"]: r for r in rows(lake.snapshot().sql(text))}
    found = []
    for result in results:
        row = seen.get(result.run_id, {})
        name = str(Path(result.path).relative_to(samples))
        found.append(
            Sample(
                name,
                result.format,
                {t: n for t, n in result.tables.items() if t not in ("links", "rejects")},
                row.get("packets", 0),
                row.get("flows", 0),
                row.get("first_seen", ""),
                result.known,
                result.problem,
            )
        )
    return found


def _next(lake: Path, findings: list[Finding]) -> list[str]:
    """Three commands worth trying on this lake: one value in every kind of evidence, one finding, one question."""
    noroshi = f"noroshi --lake {shlex.quote(str(lake))}"
    # What most kinds of findings speak of stands in most kinds of evidence.
    kinds: dict[str, set[str]] = {}
    for f in findings:
        if f.subject.kind == "ip":
            kinds.setdefault(f.subject.value, set()).add(f.kind)
    most = max(sorted(kinds), key=lambda v: len(kinds[v]), default="")
    best = [f for f in findings if f.kind == "vulnerable-service"] or findings
    return [
        f"{noroshi} pivot {most}" if most else f"{noroshi} lake status",
        f"{noroshi} why {best[0].id[:8]}" if best else f"{noroshi} findings",
        f"{noroshi} serve --open",
    ]
