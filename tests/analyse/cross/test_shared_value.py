"""What ties documents together and what is junk, on rows written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noroshi.analyse.cross.common import Warned
from noroshi.analyse.cross.shared_value import Reduced, junk
from noroshi.lake.handle import Lake
from noroshi.model.tlp import Tlp
from tests.analyse.cross.support import judge, one
from tests.ask.support import at, batch, store

SHA1 = "d5235d136cfcadbef431eea7253d80bde414db9d"
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake")


def says(
    kind: str, value: str, origin: str | None = "ESET", document: str = "d1", **more: Any
) -> dict[str, Any]:
    return {"ts": at(), "kind": kind, "value": value, "origin": origin, "document": document, "role": "mentions",
            "tlp": "green", "type": "text"} | more  # fmt: skip


def tell(lake: Lake, *rows: dict[str, Any], name: str = "feed") -> None:
    store(lake, name, batch("indicators", *rows))


def both(lake: Lake, kind: str, value: str, **more: Any) -> None:
    tell(lake, says(kind, value, **more), says(kind, value, "CIRCL", "d2", **more))


def test_a_file_that_two_makers_name(lake: Lake) -> None:
    both(lake, "sha1", SHA1, document_name="Sednit")
    found = one(lake, "shared-value")
    assert (found.subject.kind, found.subject.value, found.confidence) == ("sha1", SHA1, 84)
    assert found.evidence["makers"] == ["CIRCL", "ESET"]
    assert found.evidence["document_names"] == ["Sednit"]


def test_what_eset_events_share(lake: Lake) -> None:
    """ESET's events share `80`, `443` and `eset`, which are junk, and `linux/sshdoor.bo`, which is real."""
    for kind, value in (
        ("port", "80"),
        ("port", "443"),
        ("text", "443"),
        ("malware", "eset"),
        ("actor", "ESET"),
    ):
        tell(lake, says(kind, value), says(kind, value, "CIRCL", "d2"), name=f"{kind} {value}")
    assert judge(lake, "shared-value") == []
    both(lake, "malware", "linux/sshdoor.bo")
    assert one(lake, "shared-value").subject.value == "linux/sshdoor.bo"


def test_one_maker_is_one_voice(lake: Lake) -> None:
    tell(lake, says("sha1", SHA1), says("sha1", SHA1, document="d2"))
    assert judge(lake, "shared-value") == []


def test_two_versions_of_one_document(lake: Lake) -> None:
    tell(lake, says("sha1", SHA1, None))
    tell(lake, says("sha1", SHA1, None, ts=at(days=1)), name="edited")
    assert judge(lake, "shared-value") == []


def test_documents_without_a_maker_weigh_little(lake: Lake) -> None:
    tell(lake, says("sha1", SHA1, None), says("sha1", SHA1, None, "d2"))
    found = one(lake, "shared-value")
    # 1 - (1 - 0.6 / 2)^2
    assert found.confidence == 51
    assert "do not name theirs" in found.evidence["confidence_reason"]


def test_the_feed_a_document_came_by_is_its_maker(lake: Lake) -> None:
    rows = batch("indicators", says("sha1", SHA1, None), says("sha1", SHA1, None, "d2"))
    with lake.writer() as writer:
        run = writer.begin(path="/x", source="vendor", format="test", parser_version=1, tlp=Tlp.GREEN)
        run.write(rows)
        run.finish(sha256="0" * 64, size=1)
    assert judge(lake, "shared-value") == []


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("port", "443", "kind"),
        ("technique", "T1059", "kind"),
        ("ip", "10.1.2.3", "special-range"),
        ("ip", "198.51.100.7", "special-range"),
        ("ip", "45.76.10.20", ""),
        ("domain", "www.example.com", "special-range"),
        ("domain", "printer.local", "special-range"),
        ("url", "http://fake.example.com/malware", "special-range"),
        ("url", "http://10.0.0.1/x", "special-range"),
        ("domain", "evil-site.net", ""),
        ("domain", "www.eset.com", "maker"),
        ("domain", "eset.evil.net", ""),
        ("md5", EMPTY, "empty"),
        ("malware", "eset", "maker"),
        ("malware", "rat", "vocabulary"),
        ("malware", "win32 exe", "vocabulary"),
        ("malware", "37/57", "vocabulary"),
        ("malware", "linux/sshdoor.bo", ""),
        ("actor", "apt28", ""),
        ("domain", "top.com", "warninglist"),
        ("domain", "mail.top.com", "warninglist"),
        ("url", "http://top.com/", "warninglist"),
        ("url", "http://top.com/evil.sh", ""),
        ("email", "villain@top.com", ""),
    ],
)
def test_junk(kind: str, value: str, why: str) -> None:
    lists = Warned({("domain", "top.com"): "top sites"}, {"top.com": "top sites"})
    known = Reduced((), lists, frozenset({"eset"}), frozenset({"rat", "win32 exe"}), 100)
    assert junk(kind, value, known, 2) == why


def test_lists_of_known_things_weaken(lake: Lake) -> None:
    tell(lake, says("ip", "45.76.10.20"), says("ip", "45.76.10.20", "CIRCL", "d2"))
    before = one(lake, "shared-value")
    row = {"ts": at(), "list": "vpns", "kind": "prefix", "value": "45.76.0.0/16", "match": "prefix"}
    store(lake, "lists", batch("warnings", row | {"category": "known"}))
    found = one(lake, "shared-value")
    # 1 - (1 - 0.4)^2, 1 - (1 - 0.2)^2
    assert (before.confidence, found.confidence) == (64, 36)
    assert "'vpns'" in found.evidence["confidence_reason"]


def test_what_everybody_names_is_common() -> None:
    known = Reduced((), Warned({}, {}), documents=1_000)
    assert junk("domain", "seen.net", known, 50) == ""
    assert junk("domain", "seen.net", known, 51) == "common"
    assert junk("sha1", SHA1, known, 900) == ""


def test_the_words_of_schemas_come_from_the_lake(lake: Lake) -> None:
    tell(lake, says("malware", "executable"), says("malware", "executable", "CIRCL", "d2"))
    store(lake, "files", batch("files", {"ts": at(), "type": "Executable", "document": "d3", "tlp": "green"}))
    assert judge(lake, "shared-value") == []


def test_names_of_objects_and_dictionaries(lake: Lake) -> None:
    names = [f"family {n}" for n in range(120)]
    base = {"ts": at(), "type": "x", "name_kind": "malware", "json": "{}", "tlp": "green", "revoked": False}
    store(lake, "galaxy", batch("objects", base | {"object_id": "g", "names": ["Mirai Bot", *names], "origin": "MISP",
                                                   "document": "galaxy"}))  # fmt: skip
    tell(lake, says("malware", "mirai bot"))
    found = one(lake, "shared-value")
    assert found.evidence["dictionaries"] == 1
    # 1 - (1 - 0.4)(1 - 0.4 / 4)
    assert found.confidence == 46
    assert "dictionary" in found.evidence["confidence_reason"]


def test_what_was_left_out_is_counted(lake: Lake) -> None:
    both(lake, "sha1", SHA1)
    tell(lake, says("ip", "10.0.0.1"), says("ip", "10.0.0.1", "CIRCL", "d2"), name="more")
    assert one(lake, "shared-value").evidence["left_out"] == {"special-range": 1}


def test_an_author_given_by_id_is_known_by_name(lake: Lake) -> None:
    author = "identity--11111111-1111-4111-8111-111111111111"
    identity = {"ts": at(), "object_id": author, "type": "identity", "names": ["ESET"], "document": "b"}
    store(lake, "bundle", batch("objects", identity | {"json": "{}", "tlp": "green", "revoked": False}))
    tell(lake, says("sha1", SHA1, author), says("sha1", SHA1, "ESET", "d2"))
    assert judge(lake, "shared-value") == []
