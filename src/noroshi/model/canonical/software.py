"""Vulnerabilities, techniques and packages; names of malware and actors."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from noroshi.model.canonical import cpes
from noroshi.model.canonical.names import wrong

_CVE: Final = re.compile(r"CVE-([0-9]{4})-([0-9]{4,19})")
_CVE_LOOSE: Final = re.compile(
    r"(?i)CVE[-_ \u2010-\u2015\u2212]([0-9]{4})[-_ \u2010-\u2015\u2212]([0-9]{1,19})"
)
_ADVISORY: Final = re.compile(
    r"(?i)[a-z][a-z0-9]{1,15}-[a-z0-9][a-z0-9.:_-]{2,63}|JVN(?:VU|TA)?#[0-9]{8}|VU#[0-9]{3,8}"
)
_GHSA: Final = re.compile(r"(?i)GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}")
_TECHNIQUE: Final = re.compile(
    r"T[0-9]{4}(?:\.[0-9]{3})?|TA[0-9]{4}|[GSCMA][0-9]{4}|D(?:ET|S|C)[0-9]{4}|AN[0-9]{4}"
    r"|AML\.(?:TA|T|M|CS)[0-9]{4}(?:\.[0-9]{3})?"
)
_PURL: Final = re.compile(
    r"pkg:(?:npm|pypi|deb|rpm|apk|gem|cargo|nuget|maven|composer|golang|github|alpm|hex)"
    r"(?:/(?!\.)[a-z0-9.-]+){1,6}(?:@[A-Za-z0-9.~:-]+)?(?:\?([a-z_]+)=[A-Za-z0-9.:-]+)?(?:&([a-z_]+)=[A-Za-z0-9.:-]+)?"
)
# The prefixes of ids in the OSV schema, and those of Japan's and other co-ordinators.
_IDS: Final = (
    "ALBA ALEA ALPINE ALSA ASB BELL BIT CGA CURL DEBIAN DLA DRUPAL DSA DTSA ECHO EEF ELA FREEBSD GHSA GO GSD "
    "HSEC JLSEC JVN JVNDB KUBE LBSEC LSN MAL MGASA MINI OESA OPENSUSE OSV PHSA PSF PYSEC RHBA RHEA RHSA RLSA "
    "ROOT RSEC RUSTSEC RXSA SUSE UBUNTU USN UVI V8 VU ICSA ICSMA ZDI TALOS EUVD CISCO"
)
_DATABASES: Final = frozenset(_IDS.split())
_TODO_PURL: Final = "Write it as pkg:pypi/requests@2.31.0."


def cve(value: str) -> str:
    """CVE-2024-0001, upper case, at least four digits behind the year, no zeros before them beyond that."""
    found = _CVE.fullmatch(value)
    if found and (len(found[2]) == 4 or found[2][0] != "0"):
        return value
    found = _CVE_LOOSE.fullmatch(unicodedata.normalize("NFKC", value[:64]).strip())
    if not found or len(value) > 64:
        raise wrong(value, "a CVE", "Write it as CVE-2024-1234.")
    return f"CVE-{found[1]}-{int(found[2]):04d}"


def advisory(value: str) -> str:
    """An id of another database of vulnerabilities: GHSA-..., PYSEC-..., RUSTSEC-..., JVNDB-..., JVN#..., VU#..."""
    text = value.strip()
    if not _ADVISORY.fullmatch(text) or not any(c.isdigit() for c in text) or text[:4].upper() == "CVE-":
        raise wrong(value, "the id of an advisory", "Write it as its database does: GHSA-xxxx-xxxx-xxxx.")
    # GHSA ids are lower case behind the prefix, the others upper case or digits.
    return f"GHSA-{text[5:].lower()}" if text[:5].upper() == "GHSA-" else text.upper()


def is_known_advisory(value: str) -> bool:
    """True when a canonical advisory id begins as those of a known database do."""
    if value.startswith("GHSA-"):
        return bool(_GHSA.fullmatch(value))
    return "#" in value or value.partition("-")[0] in _DATABASES


def technique(value: str) -> str:
    """T1059 or T1059.001, and the other ids of ATT&CK: tactics TA0001, groups G0001, software S0001, campaigns
    C0001, mitigations M1001, assets A0001, detections DET0001, data sources DS0001; ATLAS as AML.T0000.
    """
    text = value.strip().upper()
    if not _TECHNIQUE.fullmatch(text):
        raise wrong(value, "an ATT&CK id", "Write it as T1059.001.")
    return text


def cpe(value: str) -> str:
    """CPE 2.3 formatted string in lower case with all eleven parts; CPE 2.2 URIs are turned into it."""
    return cpes.cpe(value)


def purl(value: str) -> str:
    """The package URL in its canonical form (purl specification, whose tests it passes)."""
    found = _PURL.fullmatch(value)
    if found and len(value) < 300 and (found[2] is None or (found[1] is not None and found[1] < found[2])):
        return value
    return _purl(value)


@lru_cache(maxsize=20_000)
def _purl(value: str) -> str:
    from packageurl import PackageURL

    text = value.strip()
    if text[:4].lower() != "pkg:" or len(text) > 1000:
        raise wrong(value, "a package URL", _TODO_PURL)
    try:
        parsed = PackageURL.from_string(text)
        if _no_case(parsed.type, parsed.namespace, parsed.qualifiers):
            namespace = parsed.namespace.lower() if parsed.namespace else None
            parsed = parsed._replace(namespace=namespace, name=parsed.name.lower())
        out = parsed.to_string()
    except (ValueError, RecursionError):
        raise wrong(value, "a package URL", _TODO_PURL) from None
    front, ask, rest = out.partition("?")
    query, sharp, path = rest.partition("#")
    # The library leaves slashes in values of qualifiers as they are; the specification encodes them.
    out = f"{front}{ask}{query.replace('/', '%2F')}{sharp}{path}"
    if len(out) > 1000:
        raise wrong(value, "a package URL", _TODO_PURL)
    return out


def _no_case(type_: str, namespace: str | None, qualifiers: object) -> bool:
    """Types whose names have no case, which the library does not know yet."""
    if type_ == "git":
        return (namespace or "").lower().startswith(("github/", "github.com/", "bitbucket.org/"))
    return type_ == "brew" or (type_ == "mlflow" and "azuredatabricks.net" in str(qualifiers))


def label(value: str) -> str:
    """A name as people write it: NFKC, lower case, one space between words; 2 to 200 characters, not digits alone."""
    text = value.lower() if value.isascii() else _folded(value[:1000])
    text = " ".join(text.split())
    if not 2 <= len(text) <= 200 or not text.isprintable() or text.isdigit():
        raise wrong(value, "a name", "Write 2 to 200 printable characters, not digits alone.")
    return text


def _folded(value: str) -> str:
    for _ in range(3):  # lower case can take a text out of NFKC, and the other way round
        folded = unicodedata.normalize("NFKC", value).lower()
        if folded == value:
            break
        value = folded
    return value


def implied(kind: str, value: str) -> list[tuple[str, str]]:
    """A CPE without its version, a purl without version and qualifiers."""
    if kind == "cpe":
        bare = cpes.bare(value)
        return [] if bare == value else [("cpe", bare)]
    if kind == "purl":
        bare = value.partition("?")[0].partition("#")[0]
        head, at, _ = bare.rpartition("@")
        bare = head if at and "/" in head else bare
        return [] if bare == value else [("purl", bare)]
    return []
