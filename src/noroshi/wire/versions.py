"""The order of versions: sort keys for version texts, good enough to judge ranges of CVE, CPE and OSV.

    compare("1.10.2", "1.9")                              # 1
    affects("2.4.1", from_version="2.0", below_version="2.4.3")      # True

`scheme` is the source's word for how versions are ordered (`versionType` of CVE 5, an ecosystem of OSV, a type of
purl); without one, or with one that is not known here, versions are read as most products write them: numbers
compared as numbers, `dev < alpha < beta < rc < release < letters and patches`. Nothing here raises; what cannot be
put in order is None: undecided, which is not the same as "not affected".

Sources: Semantic Versioning 2.0.0 section 11; PEP 440 (specification of version identifiers); Debian Policy 5.6.12;
rpm-version(7); the documentation of version_compare in PHP for the order of the words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 256
"""Characters of a version; longer texts are sentences or attacks."""
DIGITS: Final = 40
"""Digits of a number inside a version; a longer one is no counter."""

Key = tuple[Any, ...]

# Words that stand for a place before (below 0) or after the release; any other word stands after it, as the
# letters of OpenSSL's 1.0.2k do.
_WORDS: Final = {
    "dev": -60, "develop": -60, "nightly": -60, "snapshot": -15,
    "alpha": -50, "a": -50, "beta": -40, "b": -40, "milestone": -30, "m": -30,
    "pre": -21, "preview": -20, "rc": -20, "c": -20, "cr": -20, "candidate": -20,
    "final": 0, "ga": 0, "release": 0, "rel": 0, "stable": 0, "lts": 0,
    "cvs": 11, "svn": 12, "git": 13, "hg": 14,
    "p": 20, "pl": 20, "patch": 20, "post": 20, "sp": 20, "hotfix": 20, "hf": 20, "update": 20, "u": 20,
}  # fmt: skip
_SHORT: Final = frozenset("abcm")
"""Letters that mean a stage only before a number (1.0b2) or behind a hyphen; 1.0.2a is a release of its own."""
_TOKEN: Final = re.compile(r"\d+|[a-z]+|[^a-z\d]+")
_NOTHING: Final = frozenset(
    {"", "*", "-", "n/a", "na", "all", "any", "none", "unspecified", "unknown", "various"}
)
_HASH: Final = re.compile(r"(?=.*[a-f])(?=.*\d)[0-9a-f]{12,64}")


def compare(a: str, b: str, scheme: str = "") -> int | None:
    """-1, 0 or 1 as `a` is before, equal to or after `b`; None when that cannot be told."""
    if a == b and a.strip().lower() not in _NOTHING:
        return 0
    one, two = key(a, scheme), key(b, scheme)
    if one is None or two is None:
        return None
    if one[0] != two[0]:  # read by different rules: the common reading decides
        one, two = _read(a, ""), _read(b, "")
        if one is None or two is None:
            return None
    return (one > two) - (one < two)


@lru_cache(maxsize=100_000)
def key(version: str, scheme: str = "") -> Key | None:
    """A sort key; only keys of one scheme whose first element is equal compare. None when it is no version."""
    return _read(version, scheme_of(scheme))


def scheme_of(name: str) -> str:
    """The rules used for a `versionType`, ecosystem or purl type; empty for the common reading."""
    plain = name.strip().lower().partition(":")[0]
    return _NAMES.get(plain, "")


def affects(
    version: str | None,
    from_version: str | None = None,
    below_version: str | None = None,
    to_version: str | None = None,
    versions: Iterable[str] | None = None,
    *,
    after_version: str | None = None,
    scheme: str = "",
) -> bool | None:
    """True when a row of `affected` names this version, False when it does not, None when that cannot be told.

    Bounds as in the table: from and to are inside, below and after outside the range. `versions` are named one
    by one and hold beside the range. A row without any bound and version names every version.
    """
    named = list(versions or ())
    bounds = [from_version, below_version, to_version, after_version]
    if not named and not any(bounds):
        return True
    if not version or version.strip().lower() in _NOTHING:
        return None
    told: list[bool | None] = [_is(version, one, scheme) for one in named]
    if any(bounds):
        told.append(_inside(version, from_version, below_version, to_version, after_version, scheme))
    if True in told:
        return True
    return None if None in told else False


def _is(version: str, other: str, scheme: str) -> bool | None:
    found = compare(version, other, scheme)
    return None if found is None else found == 0


def _inside(
    version: str, low: str | None, below: str | None, high: str | None, after: str | None, scheme: str
) -> bool | None:
    holds: list[bool | None] = []
    for bound, wanted in ((low, (0, 1)), (after, (1,)), (below, (-1,)), (high, (-1, 0))):
        if bound:
            found = compare(version, bound, scheme)
            holds.append(None if found is None else found in wanted)
    if False in holds:
        return False
    return None if None in holds else True


def _read(version: str, scheme: str) -> Key | None:
    text = version.strip().lower()
    if text in _NOTHING or len(text) > LONGEST or not any("0" <= c <= "9" for c in text):
        return None
    if any(len(run) > DIGITS for run in re.findall(r"[0-9]+", text)) or _HASH.fullmatch(text):
        return None
    rules = _RULES.get(scheme)
    if rules is not None:
        found = rules(version.strip() if scheme in _CASED else text)
        if found is not None:
            return (scheme, *found)
    return ("", *_common(text))


def _common(text: str, letters: int = 10) -> Key:
    """Tokens with a class each: stages below 0, zero and the end 0, words above, numbers highest.

    letters: the class of a word that is not known.
    """
    epoch, mark, rest = text.partition("!")
    if not (mark and epoch.isdigit()):
        epoch, rest = "0", text
    rest = re.sub(r"^[^\d]*?(?=\d)", "", rest) if re.match(r"[a-z]+[-_. ]?v?\d|v", rest) else rest
    main, _, build = rest.partition("+")
    out: list[Key] = []
    found = _TOKEN.findall(main)
    for i, token in enumerate(found):
        if token[0].isdigit() and token.isascii():
            out.append((30, int(token)) if int(token) else (0, 0))
        elif token.isalpha() and token.isascii():
            follows = i + 1 < len(found) and (found[i + 1][0].isdigit() or found[i + 1] == ".")
            apart = i > 0 and found[i - 1] in ("-", "_", ".")
            rank = _WORDS.get(token)
            if rank is None or (token in _SHORT and not (follows or (apart and found[i - 1] != "."))):
                out.append((letters, token))
            elif rank:
                _trim(out)
                out.append((rank, ""))
            continue
    _trim(out)
    # What ends early compares as a release: 1.0-rc1 < 1.0 < 1.0.1.
    return (int(epoch[:DIGITS]), *out, (0, 0), *_build(build))


def _trim(out: list[Key]) -> None:
    while out and out[-1] == (0, 0):
        out.pop()


def _build(build: str) -> Key:
    if not build:
        return ()
    return tuple((30, int(t)) if t.isdigit() else (10, t) for t in re.findall(r"[0-9]+|[a-z]+", build))


_CASED: Final = frozenset({"semver", "debian", "rpm"})
"""These order upper before lower case; the others do not care."""
_SEMVER = re.compile(r"[vV]?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+(.*))?", re.ASCII)


def _semver(text: str) -> Key | None:
    found = _SEMVER.fullmatch(text)
    if found is None:
        return None
    numbers = _numbers(found[1])
    if found[2] is None:
        return (numbers, (1,))
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in found[2].split("."))
    return (numbers, (0, parts))


def _pub(text: str) -> Key | None:
    """Dart's: as semver, then by build metadata."""
    found = _semver(text)
    if found is None:
        return None
    build = text.partition("+")[2]
    return (
        *found,
        tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in build.split(".")) if build else (),
    )


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(n) for n in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


_PEP440 = re.compile(
    r"v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<number>\d*))?"
    r"(?:-(?P<bare>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<postn>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<devn>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.ASCII,
)


def _pep440(text: str) -> Key | None:
    found = _PEP440.fullmatch(text)
    if found is None:
        return None
    stage, post, dev = found["stage"], found["post"] or found["bare"], found["dev"]
    pre: Key = ("z",)
    if stage:
        pre = ({"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}.get(stage, stage),
               int(found["number"] or 0))  # fmt: skip
    elif dev and not post:
        pre = ("",)  # 1.0.dev1 is before 1.0a1
    after = (1, int(found["bare"] or found["postn"] or 0)) if post else (0,)
    unfinished = (0, int(found["devn"] or 0)) if dev else (1,)
    local = tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in re.split(r"[-_.]", found["local"] or "")
                  if p)  # fmt: skip
    return (int(found["epoch"] or 0), _numbers(found["release"]), pre, after, unfinished, local)


def _gem(text: str) -> Key | None:
    """RubyGems: segments; a word is before the end and before any number."""
    if not re.fullmatch(r"[0-9]+(?:\.[0-9a-z]+)*(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?", text):
        return None
    out: list[Key] = []
    for token in re.findall(r"[0-9]+|[a-z]+", text.replace("-", ".pre.")):
        if token.isdigit():
            out.append((0, 0) if not int(token) else (1, int(token)))
        else:
            _trim(out)
            out.append((-1, token))
    _trim(out)
    return (*out, (0, 0))


def _alpine(text: str) -> Key | None:
    found = re.fullmatch(
        r"(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~[0-9a-f]+)?(?:-r(\d+))?",
        text,
    )
    if found is None:
        return None
    first, *others = found[1].split(".")
    # A part with a leading zero is a fraction: compared as text.
    release = ((1, int(first), ""), *((0, 0, p.rstrip("0")) if p[0] == "0" and len(p) > 1 else (1, int(p), "")
                                      for p in others))  # fmt: skip
    stages = re.findall(r"_([a-z]+)(\d*)", found[3])
    suffixes = tuple((_WORDS[w], int(n or 0)) for w, n in stages)
    return (release, found[2], (*suffixes, (0, 0)), int(found[4] or 0))


def _debian(text: str) -> Key | None:
    """Epoch, upstream version, revision (Debian Policy 5.6.12)."""
    epoch, mark, rest = text.partition(":")
    if not mark:
        epoch, rest = "0", text
    if not epoch.isdigit() or not rest:
        return None
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return (int(epoch[:DIGITS]), _dpkg(upstream), _dpkg(revision))


def _dpkg(text: str) -> Key:
    """Runs of non-digits and numbers by turns; `~` before the end, letters before other signs."""
    out: list[Any] = []
    for words, number in re.findall(r"([^0-9]*)([0-9]*)", text):
        if words or number:
            order = tuple(-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 0x110000 for c in words)
            out.append(((*order, 0), int(number or 0)))
    while out and out[-1] == ((0,), 0):
        out.pop()  # 1.0 is 1.0-0
    return (*out, ((0,), 0))


def _rpm(text: str) -> Key | None:
    """Epoch, version, release; segments of digits or letters, numbers after letters, `~` before the end,
    `^` after it (rpm-version(7))."""
    epoch, mark, rest = text.partition(":")
    if not mark:
        epoch, rest = "0", text
    version, _, release = rest.partition("-")
    if not epoch.isdigit():
        return None
    return (int(epoch[:DIGITS]), _segments(version), _segments(release))


def _segments(text: str) -> Key:
    out: list[Key] = []
    for token in re.findall(r"[0-9]+|[A-Za-z]+|[~^]", text):
        if token == "~":  # noqa: S105
            out.append((-1, 0, ""))
        elif token == "^":  # noqa: S105
            out.append((1, 0, ""))
        elif token.isdigit():
            out.append((3, int(token), ""))
        else:
            out.append((2, 0, token))
    return (*out, (0, 0, ""))


_RULES: Final[dict[str, Callable[[str], Key | None]]] = {
    "semver": _semver,
    "nuget": _semver,
    "pub": _pub,
    "pep440": _pep440,
    "gem": _gem,
    "alpine": _alpine,
    "debian": _debian,
    "rpm": _rpm,
}
_NAMES: Final = {
    "semver": "semver", "npm": "semver", "go": "semver", "golang": "semver", "cargo": "semver", "crates.io": "semver",
    "hex": "semver", "nuget": "nuget", "swifturl": "semver", "bitnami": "semver", "pub": "pub",
    "python": "pep440", "pypi": "pep440", "pep440": "pep440",
    "rubygems": "gem", "gem": "gem", "alpine": "alpine", "apk": "alpine", "wolfi": "alpine", "chainguard": "alpine",
    "debian": "debian", "deb": "debian", "dpkg": "debian", "ubuntu": "debian",
    "rpm": "rpm", "redhat": "rpm", "red hat": "rpm", "red hat enterprise linux": "rpm", "rocky linux": "rpm",
    "almalinux": "rpm", "suse": "rpm", "opensuse": "rpm", "fedora": "rpm", "mageia": "rpm", "azure linux": "rpm",
}  # fmt: skip
