"""The figures of a report as plain values: what HTML, Markdown and JSON all print.

Counts are exact integers. A figure that could not be had is None, never zero.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from noroshi.model.finding import iso
from noroshi.model.tlp import Tlp
from noroshi.share.report.period import Period


@dataclass(frozen=True)
class Totals:
    """The whole period in one row."""

    packets: int
    """Packets from outside to dark addresses."""
    bytes: int
    sources: int
    """Distinct source addresses."""
    size: float
    """Time-averaged effective addresses over what was observed; 0.0 without a telescope."""
    observed_s: float
    """Seconds observed (of the telescope observed longest)."""
    packets_per_address: float | None
    """Observed so far: packets / size."""
    annual: float | None
    """Packets per address and year, scaled from the time observed."""
    annual_low: float | None
    annual_high: float | None
    """The lowest and highest that a single day of the period would have given."""
    seconds_per_packet: float | None
    """Mean time between two packets to one address."""
    previous_packets: int | None
    previous_sources: int | None
    change: float | None
    """Packets per address and time against the previous period, as a factor."""
    sources_change: float | None
    left_out_packets: int
    """Packets from or to inside talkers, whose addresses are not in `size`."""
    outside_packets: int
    """Packets to no telescope."""
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True)
class TelescopeRow:
    """One telescope over the period."""

    name: str
    prefixes: tuple[str, ...]
    nominal: int
    size: float
    observed_s: float
    packets: int
    packets_per_address: float | None
    annual: float | None
    floor_pps: float | None
    """Packet rate a randomly spoofed attack of one hour must have to be seen; see `victim_floor`."""
    floor_day_pps: float | None
    """The same for an attack that lasts a day."""


@dataclass(frozen=True)
class Bin:
    """One step of the time series; None where nothing was observed."""

    start: datetime
    end: datetime
    packets: int | None
    sources: int | None
    investigation: int | None
    """Packets of investigation scanners, part of `packets`; None when none were found at all."""
    observed_s: float
    """Seconds of the step that were observed, by the hour."""


@dataclass(frozen=True)
class Gap:
    """A span without observation."""

    start: datetime
    end: datetime
    reason: str
    """outage, not-live, no-data or future."""
    telescope: str = ""


@dataclass(frozen=True)
class Ranked:
    """One row of a ranking."""

    key: str
    packets: int
    share: float
    """Of the period's packets, 0..1."""
    sources: int | None = None
    previous_packets: int | None = None
    previous_rank: int | None = None
    change: float | None = None
    """Against the previous period, per address and observed time, as a factor; None without one."""


@dataclass(frozen=True)
class Heat:
    """Packets by port and time."""

    rows: tuple[str, ...]
    starts: tuple[datetime, ...]
    step_s: int
    values: tuple[tuple[int | None, ...], ...]
    """One tuple per row, one value per start; None where nothing was observed."""
    observed: tuple[float, ...]
    """Share of each step that was observed, 0..1."""


@dataclass(frozen=True)
class Investigation:
    """Scanners that survey the whole Internet."""

    packets: int
    share: float
    sources: int
    sources_share: float
    organisations: tuple[Ranked, ...]
    capped_days: int
    """Days on which more were found than the analyser lists: what they sent is missing here."""


@dataclass(frozen=True)
class Places:
    """Countries or networks of the unique sources."""

    table: str
    """File name of the table the user gave."""
    table_date: date | None
    """Its build date, or the file's date."""
    rows: tuple[Ranked, ...]
    unknown_packets: int
    unknown_sources: int


@dataclass(frozen=True)
class Victim:
    """A host attacked from randomly spoofed addresses, seen by its replies."""

    id: str
    subject: str
    ports: str
    telescope: str
    own: bool
    first_seen: datetime
    last_seen: datetime
    rate: float | None
    rate_low: float | None
    rate_high: float | None
    """Packets/s of the attack with its 95 % interval."""
    replies: int | None
    floor: float | None
    confidence: int


@dataclass(frozen=True)
class Infected:
    """A host that scans as infected hosts do."""

    id: str
    subject: str
    family: str
    own: bool
    first_seen: datetime
    last_seen: datetime
    packets: int | None
    ports: str
    confidence: int


@dataclass(frozen=True)
class InfectedDay:
    """Infected hosts of one local day; None where nothing was observed."""

    day: date
    hosts: int | None
    own: int | None


@dataclass(frozen=True)
class Notice:
    """Another finding of the period."""

    id: str
    kind: str
    subject: str
    first_seen: datetime
    last_seen: datetime
    confidence: int
    en: str
    ja: str


@dataclass(frozen=True)
class Told:
    """What became of what was told by one channel, of what was seen in the period."""

    channel: str
    """mail or folder."""
    states: tuple[tuple[str, int], ...]
    """Every state of an item with how many are in it, in the order a good case goes through them."""
    cases: int
    """Items that were told, once for each time they came back."""
    came_back: int
    half_fixed_days: float | None
    """Days until half were fixed; None when it never came so far."""
    by_day: tuple[Mended, ...]

    @property
    def items(self) -> int:
        """Of all states."""
        return sum(n for _, n in self.states)


@dataclass(frozen=True)
class Mended:
    """The share fixed by the end of a day after the first notice, with its 95 % interval; None when none was."""

    day: int
    fixed: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class YearRow:
    """One calendar year, as NICTER prints its series."""

    year: int
    packets: int
    size: float
    observed_s: float
    complete: bool
    """At least 99 % of the year was observed."""
    packets_per_address: float
    """Observed so far."""
    annual: float
    """Scaled to the whole year."""


@dataclass(frozen=True)
class RunRow:
    """One source that was read."""

    run_id: str
    path: str
    format: str
    parser_version: int
    sha256: str
    size: int | None
    tlp: str
    first_seen: datetime | None
    last_seen: datetime | None
    rejects: int
    problem: str


@dataclass(frozen=True)
class RejectRow:
    """Rejects of the runs above, by reason."""

    reason: str
    count: int
    runs: int


@dataclass(frozen=True)
class ReportData:
    """Everything a report says."""

    period: Period
    so_far: bool
    """The period had not ended when the report was made."""
    as_of: datetime
    timezone: str
    version: str
    tlp: Tlp
    totals: Totals
    telescopes: tuple[TelescopeRow, ...]
    series: tuple[Bin, ...]
    gaps: tuple[Gap, ...]
    classes: tuple[Ranked, ...]
    ports: tuple[Ranked, ...]
    ports_seen: int
    """Distinct ports among the packets ranked."""
    heat: Heat
    tools: tuple[Ranked, ...]
    investigation: Investigation | None
    """None when the analyser left no finding in the period."""
    countries: Places | None
    networks: Places | None
    victims: tuple[Victim, ...]
    infected: tuple[Infected, ...]
    infected_hosts: int
    infected_own: int
    infected_capped_days: int
    """Days on which more were found than the analyser lists: the counts are a lower bound."""
    infected_days: tuple[InfectedDay, ...]
    own: tuple[str, ...]
    """Prefixes this organisation answers for."""
    kinds: tuple[tuple[str, int], ...]
    """Findings by kind."""
    notices: tuple[Notice, ...]
    years: tuple[YearRow, ...]
    runs: tuple[RunRow, ...]
    runs_count: int
    rejects: tuple[RejectRow, ...]
    commands: tuple[tuple[str, str], ...]
    """Section and the command that prints its numbers."""
    told: tuple[Told, ...] = ()
    """Notices by channel; empty for readers they are not meant for."""

    @property
    def rejects_count(self) -> int:
        """Pieces that could not be read."""
        return sum(r.count for r in self.rejects)


def to_json(data: ReportData) -> dict[str, Any]:
    """The public JSON form: times ISO 8601 with Z, None where a figure could not be had."""
    period = data.period
    head = {
        "period": {"kind": period.kind, "label": period.label, "start": iso(period.start),
        "end": iso(period.end)},
    }  # fmt: skip
    rest = {f.name: _plain(getattr(data, f.name)) for f in dataclasses.fields(data) if f.name != "period"}
    return head | rest


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Tlp):
        return value.value
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
