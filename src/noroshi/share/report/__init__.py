"""The report: figures and tables of a period, as one self-contained page, as Markdown and as JSON.

period = parse("month", at=now, tz=config.timezone)
data = build(view.shot, view.findings(), scopes, period, now=view.now, own=view.own)
paths = write(data, Path("noroshi-report"), "ja")
"""

from __future__ import annotations

from noroshi.share.report.collect import build, newest
from noroshi.share.report.data import ReportData, to_json
from noroshi.share.report.period import Period, covering, parse
from noroshi.share.report.write import FORMATS, write

__all__ = ["FORMATS", "Period", "ReportData", "build", "covering", "newest", "parse", "to_json", "write"]
