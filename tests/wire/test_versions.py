"""The order of versions: hand-written pairs, laws any order keeps, and the fixtures of osv-scalibr."""

from __future__ import annotations

import itertools
import os
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from noroshi.wire.versions import affects, compare

ORDERED = [
    (
        "",
        [
            "1.0.dev1",
            "1.0a1",
            "1.0b2",
            "1.0-rc1",
            "1.0",
            "1.0.1",
            "1.0.2",
            "1.0.2a",
            "1.0.2k",
            "1.0.10",
            "1.1",
            "10",
        ],
    ),
    ("", ["10.2.9", "10.2.9-h1", "10.2.10"]),
    ("", ["12.2(33)SXI4", "12.2(33)SXI5", "12.2(34)"]),
    ("", ["V2.9", "v2.10", "Version 2.11"]),
    ("", ["2021-04-01", "2021-12-31", "2022-01-01"]),
    (
        "semver",
        ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "2.0.0"],
    ),
    ("PyPI", ["1.dev1", "1a1.dev1", "1a1", "1rc1", "1", "1+local", "1.post1.dev1", "1.post1", "1!0.1"]),
    ("rpm", ["1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0.1-1", "1:0.1-1"]),
    ("Debian:12", ["1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0a-1", "1.0+b-1", "1:0.1"]),
    ("RubyGems", ["1.a", "1.0.pre1", "1.0", "1.0.1"]),
    ("Alpine:v3.19", ["1.2_alpha", "1.2_rc1", "1.2", "1.2-r1", "1.2_p1", "1.2a"]),
]


@pytest.mark.parametrize(("scheme", "versions"), ORDERED)
def test_order(scheme: str, versions: list[str]) -> None:
    for (i, a), (j, b) in itertools.product(enumerate(versions), repeat=2):
        assert compare(a, b, scheme) == (i > j) - (i < j), (a, b)


@pytest.mark.parametrize(
    ("a", "b", "scheme"),
    [("1.0", "1.0.0", ""), ("v1.0", "1.0", ""), ("1.0-rc1", "1.0.0rc1", ""), ("1.0", "1.0.0", "pypi"),
     ("1.0.0+a", "1.0.0+b", "semver"), ("1.0.FINAL", "1.0", ""), ("0:1.0-0", "1.0", "debian")],
)  # fmt: skip
def test_equal(a: str, b: str, scheme: str) -> None:
    assert compare(a, b, scheme) == 0


@pytest.mark.parametrize("nothing", ["n/a", "-", "*", "", "unspecified", "all versions", "a" * 5, "f" * 20 + "0" * 20,
                                     "1" * 300, "9" * 41])  # fmt: skip
def test_undecided(nothing: str) -> None:
    assert compare(nothing, "1.0") is None
    assert affects("1.0", from_version=nothing or "n/a") is None


@pytest.mark.parametrize(
    ("version", "row", "expected"),
    [
        ("2.4.1", {"from_version": "2.0", "below_version": "2.4.3"}, True),
        ("2.4.3", {"from_version": "2.0", "below_version": "2.4.3"}, False),
        ("2.4.3", {"from_version": "2.0", "to_version": "2.4.3"}, True),
        ("2.0", {"after_version": "2.0", "to_version": "2.4.3"}, False),
        ("1.9", {"below_version": "n/a", "from_version": "2.0"}, False),
        ("2.9", {"below_version": "n/a", "from_version": "2.0"}, None),
        ("1.0", {"versions": ["1.0.0", "n/a"]}, True),
        ("1.1", {"versions": ["1.0.0"]}, False),
        ("1.1", {"versions": ["n/a"]}, None),
        ("5", {"versions": ["1"], "from_version": "4"}, True),
        ("5", {}, True),
        (None, {}, True),
        (None, {"below_version": "3"}, None),
        ("*", {"below_version": "3"}, None),
    ],
)
def test_affects(version: str | None, row: dict[str, object], expected: bool | None) -> None:
    assert affects(version, **row) is expected  # type: ignore[arg-type]


SCHEMES = st.sampled_from(
    ["", "semver", "pypi", "rubygems", "alpine", "debian", "rpm", "nuget", "pub", "custom", "git"]
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.text("0123456789.-_+~^:abrcdev!rp ", max_size=20),
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}([-_.]?(a|b|rc|dev|post|p)[0-9]?)?", fullmatch=True),
)


@given(TEXTS, TEXTS, TEXTS, SCHEMES)
def test_any_texts_are_ordered_or_undecided(a: str, b: str, c: str, scheme: str) -> None:
    ab, ba = compare(a, b, scheme), compare(b, a, scheme)
    assert (ab is None) == (ba is None)
    assert ab is None or ab == -(ba or 0)
    affects(a, b, c, scheme=scheme)


NUMBERED = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}([-_.]?(a|b|rc|dev|post|p)[0-9]?)?", fullmatch=True)


@given(NUMBERED, NUMBERED, NUMBERED, st.sampled_from(["", "debian", "rpm"]))
def test_three_versions_keep_one_order(a: str, b: str, c: str, scheme: str) -> None:
    ab, bc = compare(a, b, scheme), compare(b, c, scheme)
    if ab is not None and bc is not None and ab <= 0 and bc <= 0:
        assert compare(a, c, scheme) in (-1, 0)


# Per cent right, measured 2026-11 on google/osv-scalibr @ c2094f2d; a change may not make it worse.
RIGHT = {
    "alpine": 99.7, "cran": 92.0, "debian": 100, "hackage": 90.0, "maven": 99.4, "nuget": 100, "packagist": 99.7,
    "pub": 96, "pypi": 99.8, "redhat": 92.0, "rubygems": 99.9, "semver": 100,
}  # fmt: skip


def test_fixtures_of_osv_scalibr() -> None:
    path = Path(
        os.environ.get("NOROSHI_DATA", "/nonexistent"), "supply/versions/osv-scalibr-semantic.tar.zst"
    )
    if not path.is_file():
        pytest.skip("set NOROSHI_DATA for the fixtures of osv-scalibr")
    counts: dict[str, list[int]] = {}
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as plain:
        for member in (archive := tarfile.open(fileobj=plain, mode="r|")):  # noqa: SIM115 - read front to back
            taken = archive.extractfile(member) if member.name.endswith(".txt") else None
            if taken is None:
                continue
            scheme = Path(member.name).name.partition("-")[0]
            counts.setdefault(scheme, [0, 0])
            for line in taken.read().decode().splitlines():
                parts = line.split(" ")
                if len(parts) == 3 and parts[1] in "<=>" and not line.startswith(("#", "//")):
                    counts[scheme][0] += 1
                    counts[scheme][1] += compare(parts[0], parts[2], scheme) == "<=>".index(parts[1]) - 1
    shares = {scheme: 100 * right / n for scheme, (n, right) in counts.items() if n}
    assert {s: round(v, 2) for s, v in shares.items() if v < RIGHT[s]} == {}
