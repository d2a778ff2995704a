"""Every table of the lake, by name."""

from __future__ import annotations

from noroshi.model.schema import Table
from noroshi.model.tables.context import CONTEXT
from noroshi.model.tables.decoy import DECOYS
from noroshi.model.tables.findings import FINDINGS
from noroshi.model.tables.flows import FLOWS
from noroshi.model.tables.intel import INTEL
from noroshi.model.tables.links import LINKS
from noroshi.model.tables.network import NETWORK
from noroshi.model.tables.rejects import REJECTS
from noroshi.model.tables.rollups import ROLLUPS
from noroshi.model.tables.runs import RUNS
from noroshi.model.tables.supply import SUPPLY
from noroshi.model.tables.survey import SURVEYS
from noroshi.model.tables.verdicts import VERDICTS

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        FLOWS, *NETWORK, *DECOYS, *SURVEYS, *INTEL, *SUPPLY, *CONTEXT,
        LINKS, *ROLLUPS, RUNS, REJECTS, FINDINGS, VERDICTS,
    )
}  # fmt: skip
