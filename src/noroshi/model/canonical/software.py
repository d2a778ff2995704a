"""Vulnerabilities, techniques, products and packages; names of malware and actors."""

from __future__ import annotations

import re
import unicodedata

from noroshi.model.canonical.names import wrong

_PART = r"(?:[A-Za-z0-9._\-~*]|\\[^A-Za-z0-9]|\\.)+"
_CPE23 = re.compile(r"cpe:2\.3:[aoh*\-](?::(?:\\.|[^:\\\s])+){10}")
_CPE22 = re.compile(r"cpe:/[aohAOH](?::[^:\s]*){1,6}")


def cve(value: str) -> str:
    """CVE-2024-0001, upper case, at least four digits."""
    found = re.fullmatch(r"(?i)\s*CVE[-_ ](\d{4})[-_ ](\d{1,19})\s*", value)
    if not found:
        raise wrong(value, "a CVE", "Write it as CVE-2024-1234.")
    return f"CVE-{found[1]}-{int(found[2]):04d}"


def advisory(value: str) -> str:
    """An id of another database of vulnerabilities: GHSA-..., PYSEC-..., RUSTSEC-..., JVNDB-..., GO-..., DSA-..."""
    text = value.strip()
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]{1,15}-[A-Za-z0-9][A-Za-z0-9.:_-]{2,63}", text) or not any(
        c.isdigit() for c in text
    ):
        raise wrong(value, "the id of an advisory", "Write it as its database does: GHSA-xxxx-xxxx-xxxx.")
    head, _, rest = text.partition("-")
    # GHSA ids are lower case behind the prefix, the others upper case or digits.
    return f"GHSA-{rest.lower()}" if head.upper() == "GHSA" else text.upper()


def technique(value: str) -> str:
    """T1059 or T1059.001, and the other ids of ATT&CK: tactics TA0001, groups G0001, software S0001, C0001, M1001."""
    text = value.strip().upper()
    if not re.fullmatch(r"T\d{4}(\.\d{3})?|TA\d{4}|[GSCM]\d{4}|DET\d{4}", text):
        raise wrong(value, "an ATT&CK id", "Write it as T1059.001.")
    return text


def cpe(value: str) -> str:
    """CPE 2.3 formatted string in lower case; CPE 2.2 URIs are turned into it."""
    text = value.strip().lower()
    if len(text) > 1000:
        raise wrong(value[:200], "a CPE name", "Write it as cpe:2.3:a:vendor:product:version:...")
    if _CPE22.fullmatch(text):
        text = _from_uri(text)
    if not _CPE23.fullmatch(text):
        raise wrong(value, "a CPE name", "Write it as cpe:2.3:a:vendor:product:version:*:*:*:*:*:*:*.")
    return text


def _from_uri(text: str) -> str:
    from urllib.parse import unquote

    parts = [re.sub(r"([^a-z0-9._\-*])", r"\\\1", unquote(p)) or "*" for p in text[5:].split(":")]
    return "cpe:2.3:" + ":".join(parts + ["*"] * (11 - len(parts)))


def purl(value: str) -> str:
    """The package URL in its canonical form (purl specification)."""
    from packageurl import PackageURL

    text = value.strip()
    if not text.startswith("pkg:") or len(text) > 1000:
        raise wrong(value, "a package URL", "Write it as pkg:pypi/requests@2.31.0.")
    try:
        return PackageURL.from_string(text).to_string()
    except ValueError:
        raise wrong(value, "a package URL", "Write it as pkg:pypi/requests@2.31.0.") from None


def label(value: str) -> str:
    """A name as people write it: NFKC, lower case, one space between words; at most 200 characters."""
    text = " ".join(unicodedata.normalize("NFKC", value).lower().split())
    if not 2 <= len(text) <= 200 or not text.isprintable() or text.isdigit():
        raise wrong(value, "a name", "Write 2 to 200 printable characters, not digits alone.")
    return text


def implied(kind: str, value: str) -> list[tuple[str, str]]:
    """A CPE without its version, a purl without version and qualifiers."""
    if kind == "cpe":
        parts = re.split(r"(?<!\\):", value)
        bare = ":".join(parts[:5] + ["*"] * 8)
        return [] if bare == value else [("cpe", bare)]
    if kind == "purl":
        bare = value.partition("?")[0].partition("#")[0]
        head, at, _ = bare.rpartition("@")
        bare = head if at and "/" in head else bare
        return [] if bare == value else [("purl", bare)]
    return []
