"""Tables of operators and RDAP documents: the longest match, nobody guessed, bad input told where."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noroshi.lake.state.operators import OperatorRow
from noroshi.model.errors import SourceError
from noroshi.share.notify import rdap
from noroshi.share.notify.operators import Table, check_mail, read

DAY = date(2026, 11, 20)
CSV = """# whom to tell
network,name,mail,lang,format,since,until
198.51.100.0/24,Example ISP,abuse@isp.example;noc@isp.example,en,xarf,,
198.51.100.128/25,Example Hosting,abuse@hosting.example,en,csv,2026-01-01,2026-12-31
2001:db8::/32,Example ISP,abuse@isp.example;noc@isp.example,en,xarf,,
AS64500,例示通信,abuse@tsushin.example,ja,csv,,
203.0.113.0/24,Gone,abuse@gone.example,en,csv,,2025-12-31
"""


def written(path: Path, text: str, name: str = "operators.csv") -> Path:
    (path / name).write_text(text, "utf-8")
    return path / name


def test_the_longest_match_holds_and_dates_count(tmp_path: Path) -> None:
    table = Table(read(written(tmp_path, CSV)), DAY)
    assert len(table) == 3

    def name(subject: str, asn: str | None = None) -> str | None:
        row = table.find(subject, asn)
        return row.name if row else None

    assert name("198.51.100.7") == "Example ISP"
    assert name("198.51.100.200") == "Example Hosting"
    assert name("198.51.100.0/24") == "Example ISP"
    assert name("198.51.0.0/16") is None  # nobody has all of it
    assert name("2001:db8::1") == "Example ISP"
    assert name("192.0.2.1", "AS64500") == "例示通信"
    assert name("198.51.100.7", "AS64500") == "Example ISP"  # prefixes go before AS numbers
    assert name("203.0.113.1") is None
    assert name("192.0.2.1") is None
    row = Table(read(tmp_path / "operators.csv"), date(2027, 1, 1)).find("198.51.100.200")
    assert row
    assert row.name == "Example ISP"
    operator = table.get("Example ISP")
    assert operator
    assert operator.mails == ("abuse@isp.example", "noc@isp.example")
    assert operator.networks == ("198.51.100.0/24", "2001:db8::/32")


def test_toml_says_the_same(tmp_path: Path) -> None:
    text = """
[[operator]]
name = "Example ISP"
networks = ["198.51.100.0/24", "2001:db8::/32"]
mail = ["abuse@isp.example", "noc@isp.example"]
format = "xarf"
since = 2026-01-01
"""
    rows = read(written(tmp_path, text, "operators.toml"))
    assert [r.network for r in rows] == ["198.51.100.0/24", "2001:db8::/32"]
    assert {(r.name, r.mails, r.format, r.since) for r in rows} == {
        ("Example ISP", ("abuse@isp.example", "noc@isp.example"), "xarf", date(2026, 1, 1))
    }


HEAD = "network,name,mail\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "header"), (HEAD + "198.51.100.0/24,X\n", "line 2: 2 fields"),
        (HEAD + "198.51.100.7/24,X,a@x.example\n", "line 2: '198.51.100.7/24' is no network"),
        (HEAD + "AS99999999999,X,a@x.example\n", "is no network"),
        (HEAD + "198.51.100.0/24,X,a@x.example\n198.51.100.0/24,Y,a@y.example\n", "stands twice"),
        (HEAD + "198.51.100.0/24,X,a@x.example\n192.0.2.0/24,X,b@x.example\n", "two ways"),
        (HEAD + '198.51.100.0/24,"X\nBcc: y",a@x.example\n', "is no name"),
        (HEAD + "198.51.100.0/24,X,\"a@x.example>, <b\"\n", "no mail address"),
        (HEAD + "198.51.100.0/24,X," + ";".join(["a@x.example"] * 11) + "\n", "more than 10"),
        ("network,name,mail,lang\n198.51.100.0/24,X,a@x.example,fr\n", "'fr' is not known"),
        ("network,name,mail,since\n198.51.100.0/24,X,a@x.example,soon\n", "is no date"),
        (HEAD + '198.51.100.0/24,"X,a@x.example\n', "2 fields|no CSV"),
    ],
)  # fmt: skip
def test_bad_tables_are_refused_with_the_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    "text", ["operator = 1", "[[operator]]\nname='x'", "[[operator]]\nname=1\nnetworks=['AS1']\nmail='a@b.c'",
             "[[operator]]\nname='x'\nnetworks=['AS1']\nmail='a@b.c'\nx=1", "x = [", "[a]", "a = " + "[" * 5000],
)  # fmt: skip
def test_bad_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError):
        read(written(tmp_path, text, "operators.toml"))


@given(data=st.binary(max_size=300))
def test_any_bytes_are_rows_or_refused(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.mktemp("t") / "operators.csv"
    path.write_bytes(HEAD.encode() + data)
    try:
        rows = read(path)
    except SourceError:
        return
    assert all(isinstance(r, OperatorRow) for r in rows)


@pytest.mark.parametrize(
    "mail", ["a@b\r\nBcc: c@d", "a b@c.example", '"a"@c.example', "a@", "@b", "a@b@c", "a@-b.c", "a" * 65 + "@b.c",
             "a@" + "b" * 300, "ä@b.example", "a@b,c@d", "a@b;c", "<a@b>"],
)  # fmt: skip
def test_what_is_no_plain_mail_address_is_refused(mail: str) -> None:
    with pytest.raises(SourceError):
        check_mail(mail, "")


def document(**more: Any) -> dict[str, Any]:
    """An answer as a registry gives it (RFC 9083, section 5.4), the contact for abuse one level down."""
    abuse = {
        "objectClassName": "entity", "handle": "AB1", "roles": ["abuse"],
        "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Example Abuse"],
                                 ["email", {}, "text", "abuse@isp.example"]]],
    }  # fmt: skip
    return {
        "objectClassName": "ip network", "handle": "NET-198-51-100-0", "startAddress": "198.51.100.0",
        "endAddress": "198.51.100.255", "ipVersion": "v4", "name": "EXAMPLE", "country": "JP",
        "entities": [
            {"objectClassName": "entity", "roles": ["registrant"], "entities": [abuse],
             "vcardArray": ["vcard", [["fn", {}, "text", "Owner"], ["email", {}, "text", "owner@isp.example"]]]},
        ],
    } | more  # fmt: skip


def test_rdap_gives_the_abuse_contact_and_no_other() -> None:
    (row,) = rdap.rows(document(), "x")
    assert row == OperatorRow(
        "198.51.100.0/24", "Example Abuse [NET-198-51-100-0]", ("abuse@isp.example",), "ja", "csv", "rdap"
    )
    without = document()
    without["entities"][0]["entities"] = []
    assert rdap.rows(without, "x") == []  # the registrant is not written to


def test_rdap_ranges_that_are_no_prefix_and_as_numbers() -> None:
    rows = rdap.rows(document(startAddress="198.51.100.0", endAddress="198.51.100.191"), "x")
    assert [r.network for r in rows] == ["198.51.100.0/25", "198.51.100.128/26"]
    autnum = document(objectClassName="autnum", startAutnum=64500, endAutnum=64500)
    assert [r.network for r in rdap.rows(autnum, "x")] == ["AS64500"]


def test_what_a_person_wrote_goes_before_what_a_registry_says() -> None:
    rows = [
        OperatorRow("198.51.100.0/24", "By table", ("a@x.example",)),
        OperatorRow("198.51.100.0/28", "By registry", ("b@x.example",), origin="rdap"),
        OperatorRow("192.0.2.0/24", "By registry", ("b@x.example",), origin="rdap"),
    ]
    table = Table(rows, DAY)
    assert [r.name for a in ("198.51.100.1", "192.0.2.1") if (r := table.find(a))] == [
        "By table",
        "By registry",
    ]


NESTED: dict[str, Any] = {"roles": ["technical"]}
for _ in range(200):
    NESTED = {"entities": [NESTED]}


@pytest.mark.parametrize(
    "wrong",
    [
        [], 1, "x", {}, {"objectClassName": "domain"}, document(startAddress="x"), document(startAddress=None),
        document(endAddress="2001:db8::1"), document(startAddress="198.51.100.9", endAddress="198.51.100.0"),
        document(startAddress="0.0.0.1", endAddress="255.255.255.254") | {"entities": [{"roles": ["abuse"]}]},
        document(objectClassName="autnum", startAutnum=1, endAutnum=9),
        document(objectClassName="autnum", startAutnum="1", endAutnum="1"),
    ],
)  # fmt: skip
def test_bad_documents_are_refused_or_say_nothing(wrong: Any) -> None:
    try:
        rows = rdap.rows(wrong, "x")
    except SourceError:
        return
    assert rows == []


@pytest.mark.parametrize(
    "entities",
    [
        None, 1, [1], [{"roles": "abuse"}], [{"roles": ["abuse"]}], [{"roles": ["abuse"], "vcardArray": [1, 2]}],
        [{"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", ["a@b.example"]]]]}],
        [{"roles": ["abuse"], "vcardArray": ["vcard", [["email", {}, "text", "a@b.example\r\nBcc: x@y"]]]}],
        [NESTED], [{"entities": [{"roles": ["technical"]}] * 5000}],
    ],
)  # fmt: skip
def test_hostile_entities_name_nobody(entities: Any) -> None:
    assert rdap.rows(document(entities=entities), "x") == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["abuse", "email", "ip network"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["entities", "roles", "vcardArray", "objectClassName", "startAddress"]), inner
        )
    ),
    max_leaves=20,
)


@given(entities=JSON)
def test_any_json_names_somebody_rightly_or_nobody(entities: Any) -> None:
    for row in rdap.rows(document(entities=entities), "x"):
        assert all(check_mail(m, "") for m in row.mails)


def test_documents_come_alone_in_a_list_and_by_line() -> None:
    one = document()
    for text in (json.dumps(one), json.dumps([one]), json.dumps(one) + "\n\n" + json.dumps(one)):
        assert next(iter(rdap.documents(text.encode(), "x"))) == one
    with pytest.raises(SourceError, match="line 2"):
        list(rdap.documents(b'{"a":1}\n{', "x"))
