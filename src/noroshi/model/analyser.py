"""What an analyser promises: reduce, then judge. SQL runs where the data lies, plain Python judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from noroshi.model.finding import Finding

if TYPE_CHECKING:
    import pyarrow as pa


class Query(Protocol):
    """Read-only SQL over one snapshot, restricted to the rows the asker may see."""

    def sql(self, text: str, params: dict[str, Any] | None = None) -> pa.Table:
        """The answer to one SELECT in DuckDB's dialect; `$name` parameters; addresses stay binary.

        Macros: ip(text), ip_text(x), in_net(x, prefix). Partitioned tables have the column `day`.
        """
        ...


@dataclass(frozen=True)
class Telescope:
    """A monitored address space, as configured."""

    name: str
    prefixes: tuple[str, ...]
    live: tuple[tuple[datetime, datetime | None], ...] = ()
    """Periods in which it was live (from, to or None); empty means always."""
    outages: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Scope:
    """What one judgement looks at: one UTC day of one telescope (or of none)."""

    day: date
    telescope: Telescope | None
    size: float
    """Effective IPv4 addresses of the telescope on this day: time-averaged over the part of the day that was
    observed, inside talkers taken out; 0.0 without a telescope."""
    nominal: int = 0
    """IPv4 addresses in its prefixes."""
    observed_s: float = 86_400.0
    """Seconds of the day that were observed: between the first and last packet stored for it, less outages
    and time not live."""
    inside: tuple[bytes, ...] = ()
    """Stored addresses inside the telescope that sent packets on this day."""
    own: tuple[str, ...] = ()
    """Prefixes this organisation answers for."""
    options: dict[str, Any] = field(default_factory=dict)
    """The `[analyse.NAME]` table of noroshi.toml: thresholds by name."""

    @property
    def start(self) -> datetime:
        """Midnight UTC at which the day begins."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """Midnight UTC at which the day ends."""
        return self.start + timedelta(days=1)

    @property
    def q(self) -> float:
        """The share of IPv4 the telescope sees: size / 2^32."""
        return self.size / 4_294_967_296.0

    def where(self, column: str = "dst_ip") -> str:
        """SQL that holds for rows whose `column` lies in the telescope; `true` without one."""
        from noroshi.model.address import prefix_range

        if self.telescope is None:
            return "true"
        parts = []
        for prefix in self.telescope.prefixes:
            low, high = prefix_range(prefix)
            parts.append(f"{column} BETWEEN unhex('{low.hex()}') AND unhex('{high.hex()}')")
        return "(" + " OR ".join(parts) + ")"


@dataclass(frozen=True)
class Option:
    """A threshold that `[analyse.NAME]` of noroshi.toml may set."""

    name: str
    default: float | None
    """A number above 0; None for a table of another analyser's thresholds."""
    doc: str


class Analyser(Protocol):
    """One file in `analyse/`, one row in the registry."""

    name: str
    """Also the rule's name; its findings are of kind `kinds`."""
    version: int
    kinds: tuple[str, ...]
    needs_telescope: bool
    """It divides by a size: without a telescope it leaves no finding and the run of `analyse` says so."""
    doc: str
    options: tuple[Option, ...]
    """What can be set; anything else in `[analyse.NAME]` is an error."""
    tables: tuple[str, ...]
    """Tables whose days it judges; empty for what joins kinds of evidence: that is judged over the whole lake,
    with `scope.day` the last day anything was seen on."""
    context: tuple[str, ...]
    """The tables such a join rests on: when one of them changes, it is judged again."""

    def reduce(self, query: Query, scope: Scope) -> Any:
        """The small result the judgement needs, by SQL. Only rows of `scope.day`, unless the analyser says
        in its docstring how far back it looks."""
        ...

    def judge(self, reduced: Any, scope: Scope) -> list[Finding]:
        """The findings. Opens no file, socket or clock; the same input gives the same findings."""
        ...
