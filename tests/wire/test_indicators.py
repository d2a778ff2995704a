"""Indicators in texts: what is found, what is not, where it stands, and that hostile texts cost no more."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noroshi.model.observable import canonical
from noroshi.wire.indicators import find, find_spans, refang
from noroshi.wire.indicators_hosts import tlds

MD5, SHA1, SHA256, SHA512 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
), "cf83e1357eefb8bdf1542850d66d8007" * 4  # fmt: skip
KEY = "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"

FOUND: list[tuple[str, list[str]]] = [
    ("hxxp://evil[.]example[.]com/a.php?x=1, then", ["url http://evil.example.com/a.php?x=1"]),
    ("hxxps[://]bad(.)net. hXXp[:]//bad{.}org/x.", ["url https://bad.net/", "url http://bad.org/x"]),
    ("http[:]//192.0.2.1[/]x and http[:]//192[.]0[.]2[.]7:8080/y", ["url http://192.0.2.1/x", "url http://192.0.2.7:8080/y"]),
    ("evil[dot]com evil(dot)net evil dot org evil [.] info evil\\.biz evil[.ru bad.]cn", [
        "domain evil.com", "domain evil.net", "domain evil.org", "domain evil.info", "domain evil.biz", "domain evil.ru", "domain bad.cn"]),
    ("a[at]evil[.]com, b[@]evil.com; c (at) evil(.)net, d@evil.com.", [
        "email a@evil.com", "email b@evil.com", "email c@evil.net", "email d@evil.com"]),
    ("C2は192.0.2.1:8080とevil.example.jpです。ハッシュはd41d8cd98f00b204e9800998ecf8427eでした", [
        "ip 192.0.2.1", "domain evil.example.jp", f"md5 {MD5}"]),
    ("http://evil.com/aを参照。hxxp://evil.netと（http://evil.org/）", [
        "url http://evil.com/a", "url http://evil.net/", "url http://evil.org/"]),
    ("ｅｖｉｌ．ｃｏｍ、１９２．０．２．１、ＣＶＥ－２０２１－４４２２８", ["domain evil.com", "ip 192.0.2.1", "cve CVE-2021-44228"]),
    ("http://日本語.jp/x hxxp://例え[.]jp", ["url http://xn--wgv71a119e.jp/x", "url http://xn--r8jz45g.jp/"]),
    ("[a](http://evil.com/x_(y)) <http://evil.net> 'http://evil.org/a','http://evil.info/b'", [
        "url http://evil.com/x_(y)", "url http://evil.net/", "url http://evil.org/a", "url http://evil.info/b"]),
    ("2001:db8::1, [2001:db8::2]:80 2001[:]db8::3 2001:db8::/32.", [
        "ip 2001:db8::1", "ip 2001:db8::2", "ip 2001:db8::3", "prefix 2001:db8::/32"]),
    ("192.0.2.0/24, 192.0.2.9/bins/x.sh, 198.51.100.1-198.51.100.9, 192[.]0[.]2[.]3", [
        "prefix 192.0.2.0/24", "ip 192.0.2.9", "ip 198.51.100.1", "ip 198.51.100.9", "ip 192.0.2.3"]),
    (f"{MD5.upper()} {SHA1} {SHA256} {SHA512}", [f"md5 {MD5}", f"sha1 {SHA1}", f"sha256 {SHA256}", f"sha512 {SHA512}"]),
    (f"imphash: {MD5}, HASSH {MD5[::-1]}", [f"imphash {MD5}", f"hassh {MD5[::-1]}"]),
    (f"{':'.join([SHA1[i:i+2] for i in range(0, 40, 2)])} MD5:{':'.join([MD5[i:i+2] for i in range(0, 32, 2)])}", [
        f"certificate {SHA1}", f"ssh-key {MD5}"]),
    (f"key {KEY}, t13d1516h2_8daaf6152771_b186095e22b6 t130200_1301_234ea6891581", [
        f"ssh-key {KEY}", "ja4 t13d1516h2_8daaf6152771_b186095e22b6", "ja4s t130200_1301_234ea6891581"]),
    ("3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", ["ssdeep 3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C"]),
    ("pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa or 0xDE0B295669a9FD93d5F28D9Ec85E40f4cb697BAe", [
        "wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wallet 0xde0b295669a9fd93d5f28d9ec85e40f4cb697bae"]),
    ("CVE-2021-44228, cve_2019_0708; T1059.001 (T1105) TA0002 G0016 (G0016)", [
        "cve CVE-2021-44228", "cve CVE-2019-0708", "technique T1059.001", "technique T1105", "technique TA0002", "technique G0016"]),
    ("https://attack.mitre.org/techniques/T1059/001/", ["url https://attack.mitre.org/techniques/T1059/001/", "technique T1059.001"]),
    ("https://nvd.nist.gov/vuln/detail/CVE-2019-0708", ["url https://nvd.nist.gov/vuln/detail/CVE-2019-0708", "cve CVE-2019-0708"]),
    (f"https://www.virustotal.com/gui/file/{SHA256}", [f"url https://www.virustotal.com/gui/file/{SHA256}", f"sha256 {SHA256}"]),
    ("AS64500 and ASN 64501, ASN:64502", ["asn AS64500", "asn AS64501", "asn AS64502"]),
    ("pkg:npm/left-pad@1.3.0, cpe:2.3:a:gnu:bash:4.3:*:*:*:*:*:*:*. cpe:/o:linux:linux_kernel:5.4.", [
        "purl pkg:npm/left-pad@1.3.0", "cpe cpe:2.3:a:gnu:bash:4.3:*:*:*:*:*:*:*", "cpe cpe:2.3:o:linux:linux_kernel:5.4:*:*:*:*:*:*:*"]),
    ("abcdefghij234567.onion münchen.de WWW.EVIL.COM x.evil-site.zip[.]com", [
        "domain abcdefghij234567.onion", "domain xn--mnchen-3ya.de", "domain www.evil.com", "domain x.evil-site.zip.com"]),
    ("version 192.0[.]2.1, evil[.]zip install[.]sh", ["ip 192.0.2.1", "domain evil.zip", "domain install.sh"]),
]  # fmt: skip

NOTHING = [
    "invoice.pdf setup.exe index.php foo.tar.gz libc.so.6 README.md install.sh main.py update.v2.zip a.mov",
    "System.Net system.net System.IO.File ASP.NET socket.io this.name window.top com.example.app multi-user.target",
    "version 1.2.3.4, v1.2.3.4, Chrome/91.0.44.12, versions 1.2.3.4 through 2.3.4.5, バージョン 1.2.3.4",
    "12:30:45 aa:bb:cc:dd:ee:ff std::string a::b fe::dead 1.2.3.4.5 1.2.3 999.1.1.1 256.1.1.1 2026.11.20",
    "C:\\Users\\a.com\\x /usr/lib/a.info HKLM\\9375CFF0413111d3B88A00104B2A6676\\x",
    "e.g. i.e. a.m. U.S. etc. it.In addition.The end.of and/or 1.Introduction Ph.D. No.1 vs.that",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 12345678901234567890123456789012 AS400 AS2 T10 T1059001 CVE-2021 T-1000",
    "foo.call() obj.link(x) a@b user@localhost http://localhost/ http://server/x file:///etc/passwd http://<ip>/x",
    "これは文章です。値は12.5です。e-mailアドレス。", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_found(text: str, expected: list[str]) -> None:
    assert [f"{kind} {value}" for kind, value in find(text)] == expected
    for found in find_spans(text):
        assert text[found.start : found.end] == found.raw
        assert canonical(found.kind, found.value) == found.value


@pytest.mark.parametrize("text", NOTHING)
def test_nothing_found(text: str) -> None:
    assert find(text) == []


def test_defanged_is_told() -> None:
    spans = find_spans("see http://a.example.com/ about hxxp://b.example.com/ and c[.]example.com")
    assert [f.defanged for f in spans] == [False, True, True]


def test_refang() -> None:
    assert refang(" hxxps[://]evil[.]example/a ") == "https://evil.example/a"
    assert refang("plain text") == "plain text"


def test_top_level_domains() -> None:
    assert {"com", "jp", "onion", "xn--p1ai"} <= tlds()
    assert not {"exe", "pdf", "php", "html"} & tlds()


_PIECES = st.sampled_from(
    ["hxxp://", "[.]", "(dot)", " dot ", "[at]", "@", "evil", "com", ".", "192.0.2.1", ":80", "/", "T1059", "CVE-2021-", "\n",
     "cpe:/a:", "cpe:2.3:a:", "pkg:npm/", MD5, "::", "2001:db8", "。", "は", "ａ", "é", "\u0130", "\ud800", "\0", "-", "_", "(", ")", "'", "AS1"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(_PIECES, max_size=25).map("".join), st.text(max_size=60)))
def test_any_text(text: str) -> None:
    spans = find_spans(text)
    for found in spans:
        assert text[found.start : found.end] == found.raw
        assert found.start < found.end
        assert canonical(found.kind, found.value) == found.value
    assert spans == sorted(spans, key=lambda f: f.start)


HOSTILE = [
    "a", ".", "a.", "a.a.", "-", "1.", "1.1.1.1", "1.1.1.1-", ":", "a:", "1:", "::", "://", "a://", "http://", "http://a.com/(", "http://a'",
    "@", "a@", "a@a.", "a@a.com", "%@", "[.]", "[", "(", "[ ", " dot ", "a dot ", "\\.", "hxxp", "hxxp[:]", "h", "CVE-2021-1", "CVE-",
    "T1059", "T1059.", "pkg:a/", "cpe:2.3:a:", "cpe:/a:", ":*", "cpe:2.3:a" + ":\\", "0", "0a", "0a:", "3:a:", "3:aaaaaa:", "SHA256:", "t13d1516h2_",
    "bc1q", "AS1", "ASN ", "/", "é", "日", "日.", "ａ．", "version ", "version 1.1.1.1,", "1.1.1.1 and ", "<", "\n", "\0", "2001:db8::",
    "a.com", "a.com ", "ff:", "ff:" * 20, "T1" + "a" * 70, "1" + "A" * 30, "https://attack.mitre.org/techniques/T1",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE, ids=lambda p: repr(p)[:24])
def test_hostile_texts_end(piece: str) -> None:
    """A pattern that looks back or ahead without bound would take minutes for these."""
    find_spans((piece * (100_000 // len(piece) + 1))[:100_000])


@pytest.mark.heavy
@pytest.mark.parametrize("piece", HOSTILE, ids=lambda p: repr(p)[:24])
def test_hostile_texts_of_a_megabyte_end(piece: str) -> None:
    find_spans((piece * (1_000_000 // len(piece) + 1))[:1_000_000])
