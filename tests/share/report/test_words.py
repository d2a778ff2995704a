"""Both languages are whole: the same keys, the same values in them, nothing left in the other language."""

from __future__ import annotations

import re
import string
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import noroshi.share.report as package
from noroshi.model.errors import UsageError
from noroshi.model.finding import KINDS
from noroshi.share.report.period import parse
from noroshi.share.report.words import LANGUAGES, catalogue, words

TEXTS = {lang: catalogue(lang) for lang in LANGUAGES}
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
TOKYO = ZoneInfo("Asia/Tokyo")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_same_keys() -> None:
    plural_only_in_english = {k for k in TEXTS["en"] if k.endswith("_one")}
    assert set(TEXTS["en"]) - plural_only_in_english == set(TEXTS["ja"])
    assert {k.removesuffix("_one") for k in plural_only_in_english} <= set(TEXTS["en"])


def test_same_values_in_a_sentence() -> None:
    """Order and wording are each language's own; dates may be written from other parts."""
    for key, text in TEXTS["ja"].items():
        if not key.startswith(("period.", "tick.")):
            assert fields(text) <= fields(TEXTS["en"][key]) | {"n"}, key
            assert fields(TEXTS["en"][key]) <= fields(text) | {"n"}, key


def test_each_in_its_language() -> None:
    assert not [k for k, v in TEXTS["en"].items() if JAPANESE.search(v)]
    neutral = {
        "label.csv",
        "col.digest",
        "list.join",
        "sentence.join",
        "tick.day",
        "change.percent",
        "yes",
    } | {
        "period.span",
        "ports.risen_item",
        "ports.new_item",
        "port.named",
        *(f"when.{k}" for k in ("year", "month", "day", "span")),
    }
    latin = [k for k, v in TEXTS["ja"].items() if not JAPANESE.search(v) and k not in neutral]
    assert latin == []


def test_no_exclamation_marks() -> None:
    assert not [v for text in TEXTS.values() for v in text.values() if "!" in v or "！" in v]


def test_every_key_the_code_names_exists() -> None:
    code = "\n".join(p.read_text() for p in Path(package.__file__).parent.glob("*.py"))
    named = set(re.findall(r'\bw\.t\(\s*"([a-z_.]+)"', code))
    assert len(named) > 100
    assert named <= set(TEXTS["en"])


def test_every_named_text_is_used() -> None:
    code = "\n".join(p.read_text() for p in Path(package.__file__).parent.glob("*.py"))
    looked_up = re.compile(
        r"^(country|class|family|kind|gap|when|period|figure|table|axis|label|section|col|length|sentence|state|channel)\."
    )
    made = {f"{group}.{name}" for group in ("countries", "networks") for name in ("none", "lead")}
    rest = {k.removesuffix("_one") for k in TEXTS["en"] if not looked_up.match(k)} - made
    assert sorted(k for k in rest if f'"{k}"' not in code) == []


def test_kinds_and_classes_of_the_darknet_have_names() -> None:
    darknet = KINDS[: KINDS.index("infected-host") + 1]
    for text in TEXTS.values():
        assert all(f"kind.{k}" in text for k in darknet)


def test_unknown_language() -> None:
    with pytest.raises(UsageError, match="no report in"):
        words("fr", TOKYO, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("value", "en", "ja"),
    [
        (0, "0", "0"), (999, "999", "999"), (12_345, "12,345", "12,345"), (123_456, "123,456", "12.3万"),
        (1_820_000, "1.82 million", "182万"),
        (686_200_000_000, "686 billion", "6,862億"), (None, "–", "–"), (0.25, "0.25", "0.25"),
    ],
)  # fmt: skip
def test_headline_numbers(value: float | None, en: str, ja: str) -> None:
    assert words("en", TOKYO, "").short(value) == en
    assert words("ja", TOKYO, "").short(value) == ja


def test_numbers_and_changes() -> None:
    en, ja = words("en", TOKYO, ""), words("ja", TOKYO, "")
    assert (en.n(1_234_567), en.percent(0.2424), en.percent(0.0001), en.percent(0.0)) == (
        "1,234,567", "24.2%", "<0.1%", "0.0%"
    )  # fmt: skip
    assert [en.change(f) for f in (4.0, 1.5, 0.8, None)] == ["×4.0", "+50.0%", "−20.0%", "–"]
    assert [ja.change(f) for f in (4.0, 0.8)] == ["4.0 倍", "−20.0%"]
    assert [en.pps(r) for r in (0.7, 182, 2_913, 410_000, 1.2e6, None)] == [
        "0.70 pps", "182 pps", "2.91 kpps", "410 kpps", "1.20 Mpps", "–"
    ]  # fmt: skip
    assert [en.length(s) for s in (587_700, 86_400, 7_200, 90, 5)] == [
        "6.8 days",
        "24 hours",
        "2 hours",
        "1.5 min",
        "5 s",
    ]


def test_plural() -> None:
    en = words("en", TOKYO, "")
    assert en.t("findings.lead", n=1) == "One finding in this period."
    assert en.t("findings.lead", n=1_234) == "1,234 findings in this period."
    assert words("ja", TOKYO, "").t("findings.lead", n=1) == "この期間の検出結果は 1 件です。"


@pytest.mark.parametrize(
    ("text", "en", "ja"),
    [
        ("2026-10-01", "1 October 2026", "2026年10月1日"),
        ("2026-10", "October 2026", "2026年10月"),
        ("2026", "2026", "2026年"),
        ("2026-W42", "12–18 October 2026", "2026年10月12日〜18日"),
        ("2026-W40", "28 September – 4 October 2026", "2026年9月28日〜10月4日"),
        ("2026-W01", "29 December 2025 – 4 January 2026", "2025年12月29日〜2026年1月4日"),
    ],
)
def test_periods_in_words(text: str, en: str, ja: str) -> None:
    period = parse(text, datetime(2026, 1, 1, tzinfo=UTC), TOKYO)
    assert words("en", TOKYO, "").period(period) == en
    assert words("ja", TOKYO, "").period(period) == ja


def test_ports() -> None:
    en, ja = words("en", TOKYO, ""), words("ja", TOKYO, "")
    assert [en.port(p) for p in ("tcp/23", "udp/53", "icmp/8", "ip/47")] == [
        "23/TCP", "53/UDP", "ICMP type 8", "IP protocol 47"
    ]  # fmt: skip
    assert ja.t("sentence.port", port="23/TCP（Telnet）", share="9%").startswith(
        "最も多かった宛先は 23/TCP（Telnet）で"
    )
