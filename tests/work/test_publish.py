"""Publication from a real lake: what is seen, taken back and gone; and what is sent in comes to the lake."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.config import load
from noroshi.lake.handle import Lake
from noroshi.lake.state.recipients import RecipientRow
from noroshi.model.errors import UsageError
from noroshi.model.tlp import Tlp
from noroshi.share.taxii import collections
from noroshi.work.publish import publish, status
from tests.support.findings import NOON, finding
from tests.support.taxii import FINDINGS, INBOX, MEDIA, NOW, ROOT, Site, thing_of

EVERY = "?match[version]=all&match[spec_version]=2.0,2.1"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.make(tmp_path)


def published(site: Site) -> dict[str, Any]:
    """What changed in the partner's findings."""
    done = publish(site.lake, load(None), site.state, names=["partner"], who="cli:test")
    return next(d.to_json() for d in done if d.collection.sort == "findings")


def objects(site: Site, sort: str = "findings", query: str = "") -> list[dict[str, Any]]:
    found = site.client().get(f"{ROOT}/collections/{sort}/objects/{query}")
    assert found.status_code == 200, found.text
    held: list[dict[str, Any]] = found.json().get("objects", [])
    return held


def named(site: Site, value: str) -> list[dict[str, Any]]:
    return [o for o in objects(site) if value in json.dumps(o)]


def test_findings_are_there_within_the_ceiling(site: Site) -> None:
    site.lake.put_findings([
        finding(value=f"198.51.100.{n}", tlp=t.value) for n, t in enumerate(Tlp)
    ])  # fmt: skip
    assert published(site)["added"] > 3
    assert [bool(named(site, f"198.51.100.{n}")) for n in range(5)] == [True, True, True, False, False]
    assert published(site) | {"kept": 0} == published(site) | {
        "added": 0,
        "changed": 0,
        "removed": 0,
        "kept": 0,
    }


def test_red_is_never_published(tmp_path: Path) -> None:
    site = Site.make(tmp_path, ceiling="amber+strict")
    site.state.recipients.change(RecipientRow("partner", "person", "red", "plain"))
    site.lake.put_findings(
        [finding(value="198.51.100.1", tlp="red"), finding(value="198.51.100.2", tlp="amber")]
    )
    published(site)
    assert named(site, "198.51.100.2")
    assert not named(site, "198.51.100.1")


def test_what_is_withdrawn_is_revoked_and_what_is_hidden_goes(site: Site) -> None:
    one, two = finding(value="198.51.100.1"), finding(value="198.51.100.2")
    site.lake.put_findings([one, two])
    published(site)
    before = {o["id"] for o in named(site, "198.51.100.1") if o["type"] == "indicator"}
    site.lake.put_findings([two], [(one.rule.name, "campus", NOON.date())])
    assert published(site)["changed"] >= 1
    now = [o for o in objects(site) if o["id"] in before]
    assert [o["revoked"] for o in now] == [True]

    site.state.recipients.change(RecipientRow("partner", "public", "clear", "plain"))
    site.lake.put_findings([finding(value="198.51.100.3", tlp="green")])
    published(site)
    assert not named(site, "198.51.100.3")


def test_a_lower_ceiling_empties_the_collection(site: Site) -> None:
    site.lake.put_findings([finding(value="198.51.100.1", tlp="amber")])
    published(site)
    assert named(site, "198.51.100.1")
    site.state.recipients.change(RecipientRow("partner", "organisation", "clear", "plain"))
    assert site.client().get(f"{FINDINGS}/objects/").status_code == 503  # until it is published anew
    assert published(site)["removed"] >= 1
    assert not named(site, "198.51.100.1")


def test_a_client_that_polls_gets_what_is_new_alone(site: Site) -> None:
    site.lake.put_findings([finding(value="198.51.100.1")])
    published(site)
    last = site.client().get(f"{FINDINGS}/manifest/").headers["x-taxii-date-added-last"]
    site.lake.put_findings([finding(value="198.51.100.2")])
    published(site)
    new = objects(site, query=f"?added_after={last}")
    assert new
    assert all("198.51.100.1" not in json.dumps(o) for o in new)


def test_logs_of_those_who_are_gone_are_deleted(site: Site) -> None:
    site.lake.put_findings([finding()])
    send(site, indicator(1))
    published(site)
    mine = {c.sort: c.path(site.lake.path) for c in collections.of(site.to(), site.lake.keys)}
    assert all(p.is_file() for p in mine.values())
    site.state.recipients.remove("partner")
    publish(site.lake, load(None), site.state, who="x")
    assert {sort: p.is_file() for sort, p in mine.items()} == {
        "findings": False,
        "intelligence": False,
        "inbox": True,
    }


def test_publications_are_logged_and_unknown_names_are_told(site: Site) -> None:
    site.lake.put_findings([finding()])
    published(site)
    (told,) = [e for e in site.state.audit.newest(action="publish") if e.detail["collection"] == "findings"]
    assert (told.actor, told.recipient, told.detail["profile"]) == ("cli:test", "partner", "plain")
    with pytest.raises(UsageError, match="nobody"):
        publish(site.lake, load(None), site.state, names=["nobody"], who="cli:test")


def test_status_tells_each_collection(site: Site) -> None:
    site.lake.put_findings([finding()])
    before = {c["collection"]: c for c in status(site.lake, site.state, ["partner"])}
    assert (before["findings"]["objects"], before["findings"]["current"]) == (0, False)
    published(site)
    after = {c["collection"]: c for c in status(site.lake, site.state, ["partner"])}
    assert after["findings"]["objects"] > 0
    assert after["findings"]["current"]
    assert after["findings"]["last_added"].endswith("Z")


stores = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([t.value for t in Tlp]), st.integers(0, 100)), max_size=6
)


@settings(max_examples=3)
@given(stores, stores)
def test_what_a_recipient_may_not_see_changes_no_byte(
    tmp_path_factory: pytest.TempPathFactory,
    seen: list[tuple[int, str, int]],
    more: list[tuple[int, str, int]],
) -> None:
    """The file of the log has the same rows with hidden findings in the lake, and without."""
    hidden = [x for x in more if Tlp(x[1]).rank > Tlp.AMBER.rank]
    site = Site.make(tmp_path_factory.mktemp("site"))
    (path, *_) = [c.path(site.lake.path) for c in collections.of(site.to(), site.lake.keys)]
    out = []
    for entries in (seen, hidden):
        site.lake.put_findings([finding(value=f"198.51.100.{n}", tlp=t, confidence=c) for n, t, c in entries])
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        publish(site.lake, load(None), site.state, names=["partner"], who="x", now=NOON)
        # What it was made from is beside the log, names commits of tables, and is never sent.
        out.append([[row for row in table if row[0] != "made"] for table in dump(path)])
    assert out[0] == out[1]


def dump(path: Path) -> list[Any]:
    from noroshi.share.taxii import schema

    with schema.reading(path) as con:
        assert con
        tables = ("meta", "kinds", "log", "bodies")
        return [con.execute(f"SELECT * FROM {t}").fetchall() for t in tables]


# What is sent in --------------------------------------------------------------------------------------------
def send(site: Site, *things: dict[str, Any]) -> dict[str, Any]:
    found = site.client().post(
        f"{INBOX}/objects/", content=json.dumps({"objects": things}), headers={"content-type": MEDIA}
    )
    assert found.status_code == 202, found.text
    answer: dict[str, Any] = found.json()
    return answer


def held(lake: Lake) -> list[tuple[str, str | None, str, str]]:
    """(id, row's marking, source, run's marking) of all objects in the lake."""
    text = "SELECT object_id, o.tlp, source, r.tlp AS run FROM objects o JOIN runs r USING (run_id) ORDER BY object_id"
    return [tuple(row.values()) for row in lake.snapshot().sql(text).to_pylist()]


def indicator(n: int, **more: Any) -> dict[str, Any]:
    pattern = f"[ipv4-addr:value = '198.51.100.{n}']"
    return thing_of(n, pattern=pattern, pattern_type="stix", valid_from="2026-01-01T00:00:00Z", **more)


def test_what_is_sent_in_comes_to_the_lake(site: Site) -> None:
    green = {"object_marking_refs": ["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]}
    send(site, indicator(1), indicator(2, **green))
    published(site)
    marked = {indicator(1)["id"]: (None, "amber+strict"), indicator(2)["id"]: ("green",)}
    assert len(held(site.lake)) == 2
    assert all(r[1] in marked[r[0]] for r in held(site.lake))
    assert {r[2:] for r in held(site.lake)} == {("taxii:partner", "amber+strict")}
    values = site.lake.snapshot().sql("SELECT value FROM indicators ORDER BY value")["value"].to_pylist()
    assert values == ["198.51.100.1", "198.51.100.2"]
    # What is unmarked is AMBER+STRICT and so not told on, not even to a partner; what is GREEN is.
    assert indicator(2)["id"] in {o["id"] for o in objects(site, "intelligence")}
    assert indicator(1)["id"] not in {o["id"] for o in objects(site, "intelligence")}
    before = len(site.lake.snapshot().runs())
    published(site)
    assert len(site.lake.snapshot().runs()) == before


def test_what_is_deleted_leaves_the_lake(site: Site) -> None:
    send(site, indicator(1), indicator(2))
    send(site, indicator(3))
    site.app.settle(site.to())
    assert len(held(site.lake)) == 3
    client = site.client()
    assert client.delete(f"{INBOX}/objects/{indicator(1)['id']}/").status_code == 200
    assert client.delete(f"{INBOX}/objects/{indicator(3)['id']}/").status_code == 200
    site.app.settle(site.to())
    assert [r[0] for r in held(site.lake)] == [indicator(2)["id"]]
    assert [o["id"] for o in objects(site, "inbox")] == [indicator(2)["id"]]


def test_what_was_not_marked_as_stored_is_not_stored_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noroshi.share.taxii import inbox, schema
    from noroshi.work.publish import store_inbox

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with schema.writing(_inbox(site)) as con:  # not by HTTP: the server would store it meanwhile
        inbox.receive(con, [json.dumps(indicator(1)).encode()], NOW)
    with monkeypatch.context() as patched:
        patched.setattr(inbox, "stored", killed)
        with pytest.raises(KeyboardInterrupt):
            store_inbox(site.lake, load(None), site.to())
    assert len(held(site.lake)) == 1
    site.app.settle(site.to())
    assert len(held(site.lake)) == 1
    assert inbox.waiting(_inbox(site)) is None


def _inbox(site: Site) -> Path:
    return next(c.path(site.lake.path) for c in collections.of(site.to(), site.lake.keys) if c.writes)


def test_the_day_of_a_withdrawal_is_the_days(site: Site) -> None:
    """`date.min` as the day withdraws whatever a rule has said: the log follows."""
    site.lake.put_findings([finding(value="198.51.100.1")])
    published(site)
    site.lake.put_findings([], [("scanner", "campus", date.min)])
    published(site)
    assert all(
        o.get("revoked") for o in named(site, "198.51.100.1") if "modified" in o and o["type"] != "identity"
    )
