"""CSV files whose header tells that they list indicators or files: abuse.ch's exports and their like."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from noroshi.model.reject import Reject
from noroshi.model.sensor import Batch, Reading
from noroshi.observe import csvrows
from noroshi.observe.intel.records import Recorder, is_list, named
from noroshi.observe.rows import Rows


def header(head: bytes) -> tuple[list[str], str, str] | None:
    """(names, delimiter, what a comment that holds them begins with) of a list of indicators, else None.

    abuse.ch writes the header as the last comment before the data: as many cells as the first record has.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    comment = ""
    for line in text.splitlines():
        if not line.strip():
            continue
        if line.startswith(("#", ";")):
            comment = line if any(d in line for d in csvrows.DELIMITERS) else comment
            continue
        delimiter = csvrows.delimiter_of(line)
        cells = _cells(line, delimiter)
        if len(cells) > 1 and is_list(cells):
            return csvrows.unique(cells), delimiter, ""
        names = _cells(comment.lstrip("#; "), delimiter)
        if len(names) == len(cells) > 1 and is_list(names):
            return csvrows.unique(names), delimiter, comment[0]
        return None
    return None


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])]
    except csv.Error:
        return []


def feed(head: bytes) -> str | None:
    """The feed's name, when its first comment says it: `# URLhaus Database Dump (CSV - recent URLs only)`."""
    for line in head[:2048].decode("utf-8", "replace").splitlines()[:5]:
        text = line.strip("# \t*-=")
        if line.startswith("#") and len(text) > 3:
            return " ".join(text.split())[:200]
    return None


class IocCsvSensor:
    """Indicators and files from CSV by the names of its columns."""

    name = "ioc-csv"
    version = 1
    doc = "CSV lists of indicators or files with telling column names (abuse.ch and the like); others with `--mapping`."
    tables = ("indicators", "files")
    grows = False

    def sniff(self, head: bytes) -> bool:
        """True when the header, plain or in the last comment, names an indicator and what only such lists have."""
        return b"\0" not in head and header(head) is not None

    def read(self, reading: Reading) -> Iterator[Batch | Reject]:
        """Rows of every record: `files` when it describes one, else `indicators`, one for each value in it."""
        head = reading.head or b""
        found = header(head)
        if found is None:
            yield Reject(
                0, "header", "no column is named as indicators are; say which is what with --mapping", head
            )
            return
        names, delimiter, commented = found
        known = named(tuple(names))
        assert known is not None
        rows = Rows()
        recorder = Recorder(reading, known, rows, feed(head))
        records = csvrows.rows(
            reading,
            names=names if commented else None,
            delimiter=delimiter,
            comment=commented or "#",
            spaced=True,
        )
        for item in records:
            if isinstance(item, Reject):
                yield item
                continue
            offset, record = item
            if not recorder.add(offset, record):
                sample = delimiter.join(record.values())[:64].encode("utf-8", "replace")
                yield Reject(offset, "value", "a record without an indicator", sample)
            yield from rows.ready()
        yield from rows.rest()
