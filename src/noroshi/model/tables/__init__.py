"""Every table of the lake, by name."""

from __future__ import annotations

from noroshi.model.schema import Table
from noroshi.model.tables.findings import FINDINGS
from noroshi.model.tables.flows import FLOWS
from noroshi.model.tables.links import LINKS
from noroshi.model.tables.rejects import REJECTS
from noroshi.model.tables.runs import RUNS

TABLES: dict[str, Table] = {t.name: t for t in (FLOWS, LINKS, RUNS, REJECTS, FINDINGS)}
