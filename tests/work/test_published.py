"""What a recipient may see no longer comes out of a page, before the next publication already."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noroshi.config import Config, load
from noroshi.lake.state.recipients import RecipientRow
from noroshi.share.stix import emit
from noroshi.web.taxii import Taxii
from noroshi.work.publish import publish, status
from tests.support.findings import NOON, finding
from tests.support.taxii import FINDINGS, ROOT, Site

EVERY = "?match[version]=all&match[spec_version]=2.0,2.1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.make(tmp_path)


def published(site: Site, config: Config | None = None) -> dict[str, dict[str, Any]]:
    """What changed, by collection."""
    done = publish(site.lake, config or load(None), site.state, names=["partner"], who="cli:test")
    return {d.collection.sort: d.to_json() for d in done}


def read(site: Site, sort: str = "findings") -> list[dict[str, Any]] | None:
    """All versions of all objects; None while the collection is closed."""
    found = site.client().get(f"{ROOT}/collections/{sort}/objects/{EVERY}")
    assert found.status_code in (200, 503), found.text
    held: list[dict[str, Any]] = found.json().get("objects", [])
    return held if found.status_code == 200 else None


def about(site: Site, value: str) -> list[dict[str, Any]]:
    held = read(site)
    assert held is not None
    return [o for o in held if value in json.dumps(o)]


def import_stix(site: Site, folder: Path, number: int, tlp: str = "green") -> str:
    """Stores one indicator as a run of its own; the run."""
    from noroshi.model.tlp import parse
    from noroshi.work.ingest import ingest

    thing = {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z", "pattern_type": "stix",
        "pattern": f"[ipv4-addr:value = '198.51.100.{number}']", "valid_from": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    path = folder / f"{number}.json"
    path.write_text(json.dumps({"type": "bundle", "id": f"bundle--00000000-0000-4000-8000-{number:012d}",
                                "objects": [thing]}))  # fmt: skip
    (done,) = ingest(site.lake, [str(path)], config=load(None), tlp=parse(tlp), workers=1)
    return done.run_id


def test_a_finding_judged_more_strictly_is_taken_back_at_once(site: Site) -> None:
    one, two = finding(value="198.51.100.1", tlp="amber"), finding(value="198.51.100.2", tlp="amber")
    site.lake.put_findings([one, two])
    published(site)
    stood = [o for o in about(site, "198.51.100.1") if o["type"] == "indicator"]
    assert [o.get("revoked") for o in stood] == [None]
    # The same, from stricter input: what said it less strictly holds no more.
    site.lake.put_findings(
        [replace(one, tlp=one.tlp.AMBER_STRICT), two], [(one.rule.name, "campus", NOON.date())]
    )
    now = [o for o in about(site, "198.51.100.1") if o["type"] == "indicator"]
    assert [o.get("revoked") for o in now] == [True]
    assert [o.get("revoked") for o in about(site, "198.51.100.2") if o["type"] == "indicator"] == [None]
    assert "publish" in {e.action for e in site.state.audit.newest() if e.actor == "server"}
    # The next publication says the same.
    published(site)
    later = [o for o in about(site, "198.51.100.1") if o["type"] == "indicator"]
    assert later == now


def test_nothing_hidden_changes_a_collection(site: Site) -> None:
    site.lake.put_findings([finding(value="198.51.100.1", tlp="amber")])
    hidden = finding(value="198.51.100.9", tlp="amber+strict", scope="elsewhere")
    site.lake.put_findings([hidden])
    published(site)
    before = site.client().get(f"{FINDINGS}/manifest/{EVERY}").content
    assert [f for _, f in site.lake.put_findings([], [(hidden.rule.name, "elsewhere", NOON.date())])] == [
        "withdrawn"
    ]
    assert site.client().get(f"{FINDINGS}/manifest/{EVERY}").content == before
    published(site)
    assert site.client().get(f"{FINDINGS}/manifest/{EVERY}").content == before


def test_what_was_forgotten_closes_intelligence_until_it_is_made_anew(site: Site, tmp_path: Path) -> None:
    kept, gone = import_stix(site, tmp_path, 1), import_stix(site, tmp_path, 2)
    published(site)
    assert kept != gone
    assert "198.51.100.2" in json.dumps(read(site, "intelligence"))
    import_stix(site, tmp_path, 3)
    assert "198.51.100.2" in json.dumps(read(site, "intelligence"))  # what is new closes nothing
    site.lake.forget(gone)
    assert read(site, "intelligence") is None
    assert read(site) is not None  # findings are not of it
    assert [c["current"] for c in status(site.lake, site.state, ["partner"], load(None))] == [
        True,
        False,
        True,
    ]
    published(site)
    text = json.dumps(read(site, "intelligence"))
    assert "198.51.100.2" not in text
    assert "198.51.100.1" in text
    assert "198.51.100.3" in text


def test_a_hidden_run_forgotten_closes_nothing(site: Site, tmp_path: Path) -> None:
    import_stix(site, tmp_path, 1)
    hidden = import_stix(site, tmp_path, 2, "amber+strict")
    published(site)
    before = read(site, "intelligence")
    site.lake.forget(hidden)
    assert read(site, "intelligence") == before


def test_a_profile_made_stricter_closes_the_collection(tmp_path: Path) -> None:
    site = Site.make(tmp_path)
    (tmp_path / "noroshi.toml").write_text("")
    (tmp_path / "profiles").mkdir()
    words = tmp_path / "profiles" / "partners.toml"
    words.write_text('base = "own"\n[fields]\nfree-text = "drop"\n')
    site.state.recipients.change(RecipientRow("partner", "organisation", "amber", "partners"))
    config = load(tmp_path / "noroshi.toml")
    site = replace(site, app=Taxii(site.lake, config, site.state))
    site.lake.put_findings([finding(value="198.51.100.1", tlp="amber")])
    published(site, config)

    def asked() -> int:
        from starlette.testclient import TestClient

        head = {"authorization": f"Bearer {site.key}", "accept": "application/taxii+json;version=2.1"}
        found = TestClient(site.app, headers=head).get("/shared/collections/findings/objects/")
        return int(found.status_code)

    assert asked() == 200
    words.write_text('base = "own"\n[fields]\nfree-text = "drop"\nother-address = "drop"\n')
    assert asked() == 503
    published(site, config)
    assert asked() == 200
    words.write_text("broken [")
    assert asked() == 503
    words.unlink()
    assert asked() == 503


def test_nothing_is_compared_where_nothing_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lake.put_findings([finding(value="198.51.100.1", tlp="amber")])
    first = published(site)
    count: list[int] = []
    real = emit.emit

    def counted(*given: Any) -> Any:
        count.append(1)
        return real(*given)

    monkeypatch.setattr(emit, "emit", counted)
    again = published(site)
    assert count == []
    assert again["findings"]["kept"] == first["findings"]["added"]
    assert not again["findings"]["added"] + again["findings"]["changed"] + again["findings"]["removed"]
    site.lake.put_findings([finding(value="198.51.100.2", tlp="amber")])
    assert published(site)["findings"]["added"]
    assert len(count) == 1  # findings alone; nothing others said is new
    site.state.recipients.change(RecipientRow("partner", "organisation", "green", "plain"))
    published(site)
    assert len(count) == 3


def test_a_log_of_an_older_program_is_not_shown(site: Site) -> None:
    from noroshi.share.taxii import collections, schema

    site.lake.put_findings([finding(value="198.51.100.1", tlp="amber")])
    published(site)
    path = collections.of(site.to(), site.lake.keys)[0].path(site.lake.path)
    with schema.writing(path) as con:
        con.execute("DELETE FROM meta WHERE key = 'made'")
    assert read(site) is None
    published(site)
    assert read(site)
