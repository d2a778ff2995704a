"""A network that stands twice in a table has one owner, however many addresses are asked for and wherever rows lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from noroshi.ask.networks import lookup
from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from noroshi.work.ingest import ingest

ADDRESSES = ["198.51.100.7", "2001:db8::7"]


@pytest.mark.parametrize("order", [("64501", "64502"), ("64502", "64501")])
def test_asked_alone_and_by_the_index(tmp_path: Path, order: tuple[str, str]) -> None:
    table = tmp_path / "ip2asn.tsv"
    table.write_text(
        "".join(f"198.51.100.0\t198.51.100.255\t{a}\tJP\tN{a}\n" for a in order)
        + "".join(f"2001:db8::\t2001:db8::ffff\t{a}\tJP\tN{a}\n" for a in order)
    )
    lake = Lake.open(tmp_path / "lake")
    (run,) = ingest(lake, [table], config=load(None), tlp=Tlp.CLEAR, as_format="iptoasn", workers=1)
    assert run.run_id
    for index in (False, True):
        found = lookup(lake.snapshot(), ADDRESSES, load=index)
        assert [p.asn if p else None for p in found] == ["AS64502", "AS64502"], index
