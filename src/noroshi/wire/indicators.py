"""Indicators in running text, plain or defanged, in any language: what they are and where they stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from noroshi.model import observable
from noroshi.wire import indicators_hosts as hosts
from noroshi.wire.indicators_refang import Refanged, refang, refanged

__all__ = ["Found", "find", "find_spans", "refang"]

# Every pattern below takes time linear in the text: repetitions are possessive or bounded, and what comes before a
# match is looked at one character deep. Letters of Japanese are no part of a word, those of Latin, Greek, Cyrillic,
# Hebrew and Arabic are.
_W: Final = r"A-Za-z0-9_\u00c0-\u024f\u0370-\u06ff"
_B: Final = r"(?<![A-Za-z0-9])"
_E: Final = r"(?![A-Za-z0-9])"
_URL: Final = re.compile(
    r"""(?i)(?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]{1,15}://
    [^\s<>"`{}|\\^/?#,;'()\u3000-\u303f]{1,300}+
    (?:[/?#](?:[!$-&(-+\-.-:=?-\[\]_a-z~\#]|[,;'](?!['"]?[,;]?[a-z]{2,5}s?://|[,;)\]>\s])){0,4096}+)?""",
    re.VERBOSE,
)
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_TRAIL: Final = ".,;:!?'\"*_~"
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+'\-])[A-Za-z0-9_%+][A-Za-z0-9._%+'\-]{0,63}@[A-Za-z0-9][A-Za-z0-9.\-]{2,252}"
)
_HOST: Final = re.compile(rf"(?<![{_W}.\-@])[{_W}\-]++(?:\.[{_W}\-]++)++")
_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_RANGE: Final = re.compile(r"([0-9.]{7,15})-([0-9.]{7,15})")
_IPV6: Final = re.compile(r"(?<![A-Za-z0-9:.])[0-9A-Fa-f:.]{4,60}(?![0-9A-Za-z:])")
_BITS: Final = re.compile(r"/([0-9]{1,3})(?![A-Za-z0-9/]|\.[0-9])")
_CVE: Final = re.compile(rf"(?i){_B}CVE[-_ ][12][0-9]{{3}}[-_ ][0-9]{{4,19}}(?![0-9])")
_PURL: Final = re.compile(rf"{_B}pkg:[a-z][a-z0-9.+\-]{{0,31}}/[^\s\"'<>`,;()]{{1,500}}")
_CPE: Final = re.compile(
    rf"(?i){_B}(?:cpe:2\.3:[aoh*\-](?::(?:\\.|[^\s:\"'<>,;()`\\]){{0,200}}+){{2,10}}+|cpe:/[aoh]:[^\s\"'<>,;()`]{{3,300}})"
)
_ATTACK: Final = re.compile(
    r"(?<![A-Za-z0-9./])(?:T(?:1[0-9]{3}|0[78][0-9]{2})(?:\.[0-9]{3})?|TA0[01][0-9]{2})(?!\.?[A-Za-z0-9])"
)
_ATTACK_PATH: Final = re.compile(
    r"https?://attack\.mitre\.org/(?:versions/v[0-9]+/)?[a-z]{5,14}/((?:T[AG]?|[GSCM])[0-9]{4}(?:/[0-9]{3})?)(?![A-Za-z0-9])"
)
_ATTACK_NAMED: Final = re.compile(r"(?<=[(\[])[GS][01][0-9]{3}(?=[)\]])")
_ASN: Final = re.compile(r"(?<![A-Za-z0-9_.\-])(?:AS|ASN:? ?)([0-9]{3,10})(?![A-Za-z0-9_.]|-[A-Za-z0-9])")
_PRINTS: Final = re.compile(
    rf"""{_B}(?:
        (?P<hex>[0-9A-Fa-f]{{32,128}}+)
      | (?P<colons>(?:[0-9A-Fa-f]{{2}}:){{15,31}}+[0-9A-Fa-f]{{2}})
      | (?P<ssh>SHA256:[A-Za-z0-9+/]{{43}}=?(?![A-Za-z0-9+/=]))
      | (?P<ja4>[tqd][0-9sd][0-9][di][0-9]{{4}}[0-9a-z]{{2}}_[0-9a-f]{{12}}_[0-9a-f]{{12}})
      | (?P<ja4s>[tqd][0-9sd][0-9]{{3}}[0-9a-z]{{2}}_[0-9a-f]{{4}}_[0-9a-f]{{12}})
      | (?P<tlsh>[Tt]1[0-9A-Fa-f]{{70}})
      | (?P<ssdeep>[0-9]{{1,8}}:[A-Za-z0-9+/]{{6,64}}+:[A-Za-z0-9+/]{{3,64}}+)
      | (?P<ether>0x[0-9a-fA-F]{{40}})
      | (?P<bech>(?:bc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{{11,87}}+)
      | (?P<monero>[48][0-9AB][1-9A-HJ-NP-Za-km-z]{{93}})
      | (?P<base58>[13][1-9A-HJ-NP-Za-km-z]{{25,34}}+)
    ){_E}""",
    re.VERBOSE,
)
_LENGTHS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_NAMED: Final = re.compile(r"(?i)(imphash|hassh|ja3s?|tlsh|certificate|thumbprint|x509)[^A-Za-z0-9]{0,6}$")
_BY_NAME: Final = {"thumbprint": "certificate", "x509": "certificate"}


@dataclass(frozen=True)
class Found:
    """An indicator in a text: `raw` is what stands at [start, end), `value` its canonical form."""

    start: int
    end: int
    kind: str
    value: str
    raw: str
    defanged: bool
    """Written so that nobody follows it by accident: its writer took it for harmful."""


def find(text: str) -> list[tuple[str, str]]:
    """(kind, canonical value) of every indicator in `text`, each once, in order of first appearance."""
    return list(dict.fromkeys((f.kind, f.value) for f in find_spans(text)))


def find_spans(text: str) -> list[Found]:
    """Every indicator in `text` in order of place; time and memory linear in its length.

    Kinds: url, domain, ip, prefix, asn, email, md5, sha1, sha256, sha512, ssdeep, tlsh, imphash, hassh, ja3, ja3s,
    ja4, ja4s, certificate, ssh-key, wallet, cve, technique, cpe, purl. A host inside a URL or a mail address is not
    named again; an id of ATT&CK or a CVE, or a SHA-256 in a URL nobody defanged, is. Names nobody defanged are left
    out when they are likelier files (invoice.zip), code (System.Net) or versions (version 1.2.3.4).
    """
    plain = refanged(text)
    scan = _Scan(plain)
    for step in _STEPS:
        step(scan)
    out = []
    for start, end, kind, value in sorted(scan.found):
        low, high = plain.origin(start), plain.origin(end)
        out.append(Found(low, high, kind, value, text[low:high], plain.was_defanged(start, end)))
    return out


class _Scan:
    """A text being looked through: what was found, and what is taken."""

    def __init__(self, plain: Refanged) -> None:
        self.text, self.plain = plain.text, plain
        self.found: list[tuple[int, int, str, str]] = []
        self._taken = bytearray(len(self.text))

    def free(self, start: int, end: int) -> bool:
        return self._taken.find(1, start, end) < 0

    def take(self, start: int, end: int) -> None:
        self._taken[start:end] = b"\1" * (end - start)

    def add(self, kind: str, start: int, end: int, *, alone: bool = True) -> bool:
        """Adds what stands there if it is of the kind; with `alone`, nothing else may be found in it."""
        if alone and not self.free(start, end):
            return False
        found = observable.resolve_one(kind, self.text[start:end])
        if found is None:
            return False
        self.found.append((start, end, *found))
        if alone:
            self.take(start, end)
        return True

    def defanged(self, start: int, end: int) -> bool:
        return self.plain.was_defanged(start, end)


def _urls(scan: _Scan) -> None:
    at = 0
    while match := _URL.search(scan.text, at):
        start, at = match.start(), match.end()
        for stop in _ends(scan.text, start, at):
            found = observable.resolve_one("url", scan.text[start:stop])
            if found and _reaches(found[1]):
                scan.found.append((start, stop, *found))
                scan.take(start, stop)
                at = stop
                break


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where a URL may end: with its sentence; in its host, before the first letter of another script."""
    yield _trimmed(text, start, end)
    inside = _NOT_ASCII.search(text, start, end)  # only hosts have such letters
    if inside:
        yield _trimmed(text, start, inside.start())


def _trimmed(text: str, start: int, end: int) -> int:
    """The end of a URL without the punctuation of the sentence around it."""
    while end > start:
        last = text[end - 1]
        if last in _TRAIL or (last in ")]" and not _balanced(text, start, end, last)):
            end -= 1
        else:
            break
    return end


def _balanced(text: str, start: int, end: int, last: str) -> bool:
    opening = "(" if last == ")" else "["
    low = max(start, end - 300)  # far enough for any sentence; the whole would cost the square of it
    return text.count(opening, low, end) >= text.count(last, low, end)


def _reaches(url: str) -> bool:
    """True when the host of a canonical URL is an address, or a name under a top-level domain."""
    return any(kind == "ip" or hosts.name(host) for kind, host in observable.implied("url", url))


def _emails(scan: _Scan) -> None:
    for match in _EMAIL.finditer(scan.text):
        end = match.end() - (len(match[0]) - len(match[0].rstrip(".-")))
        host = scan.text[scan.text.index("@", match.start()) + 1 : end]
        if hosts.name(host):
            scan.add("email", match.start(), end)


def _of(
    kind: str, pattern: re.Pattern[str], *, alone: bool = True, trim: str = ".:"
) -> Callable[[_Scan], None]:
    def step(scan: _Scan) -> None:
        for match in pattern.finditer(scan.text):
            start, end = match.span(match.lastindex or 0)
            while end > start and scan.text[end - 1] in trim:
                end -= 1
            scan.add(kind, start, end, alone=alone)

    return step


def _attack_paths(scan: _Scan) -> None:
    for match in _ATTACK_PATH.finditer(scan.text):
        value = match[1].replace("/", ".")
        if found := observable.resolve_one("technique", value):
            scan.found.append((*match.span(1), *found))


def _prints(scan: _Scan) -> None:
    for match in _PRINTS.finditer(scan.text):
        start, end = match.span()
        what = match.lastgroup or ""
        if what == "hex":
            kind = _hex_kind(scan, start, end)
            inside = kind == "sha256" and not scan.defanged(start, end)
            if kind and (scan.free(start, end) or inside):
                scan.add(kind, start, end, alone=scan.free(start, end))
        elif what == "colons":
            kind = {47: "ssh-key", 59: "certificate", 95: "certificate"}.get(end - start, "")
            if kind:
                scan.add(kind, start, end)
        elif what == "ssdeep":
            block = int(match[0].partition(":")[0])
            if block % 3 == 0 and block and (block // 3).bit_count() == 1:  # block sizes are 3 * 2^n
                scan.add("ssdeep", start, end)
        else:
            kind = {"ssh": "ssh-key", "ja4": "ja4", "ja4s": "ja4s", "tlsh": "tlsh"}.get(what, "wallet")
            scan.add(kind, start, end)


def _hex_kind(scan: _Scan, start: int, end: int) -> str:
    """What a run of hexadecimal digits is, by its length and the word before it; empty for a plain number
    and for a part of a path (registry keys)."""
    digits = scan.text[start:end]
    if digits.isdigit() or len(set(digits)) < 4 or scan.text[start - 1 : start] == "\\":
        return ""
    named = _NAMED.search(scan.text, max(0, start - 24), start)
    kind = _LENGTHS.get(end - start, "")
    if named:
        word = named[1].lower()
        word = _BY_NAME.get(word, word)
        if observable.resolve_one(word, digits):
            return word
    return kind


def _ipv6(scan: _Scan) -> None:
    for match in _IPV6.finditer(scan.text):
        raw = match[0].rstrip(".").removesuffix(":") if not match[0].endswith("::") else match[0]
        if raw.count(":") < 2 or not any(c.isdigit() for c in raw) or sum(map(bool, raw.split(":"))) < 2:
            continue
        _address(scan, match.start(), match.start() + len(raw))


def _address(scan: _Scan, start: int, end: int) -> bool:
    """Adds an address, or a network when its length stands behind it."""
    bits = _BITS.match(scan.text, end)
    if bits and int(bits[1]) >= 8 and scan.add("prefix", start, bits.end()):
        return True
    return scan.add("ip", start, end)


def _hosts(scan: _Scan) -> None:
    text = scan.text
    for match in _HOST.finditer(text):
        run = match[0].strip("-_")
        start = match.start() + match[0].index(run) if run else match.start()
        end = start + len(run)
        if not scan.free(start, end) or len(run) > 253:
            continue
        if _QUAD.fullmatch(run):
            if scan.defanged(start, end) or not hosts.is_version(text, start):
                _address(scan, start, end)
        elif span := _RANGE.fullmatch(run):
            for i in (1, 2):
                scan.add("ip", start + span.start(i), start + span.end(i))
        elif hosts.name(run) and (scan.defanged(start, end) or hosts.is_meant(text, start, end)):
            scan.add("domain", start, end)


def _asns(scan: _Scan) -> None:
    for match in _ASN.finditer(scan.text):
        if match[0] != "AS400":  # IBM's machine
            scan.add("asn", *match.span(1)) if match[0].startswith("ASN") else scan.add("asn", *match.span())


_STEPS: Final[tuple[Callable[[_Scan], None], ...]] = (
    _of("cve", _CVE, alone=False),
    _attack_paths,
    _of("purl", _PURL),
    _urls,
    _of("cpe", _CPE),
    _emails,
    _prints,
    _ipv6,
    _hosts,
    _asns,
    _of("technique", _ATTACK),
    _of("technique", _ATTACK_NAMED),
)
