"""Why something was withheld or refused, in the reader's language: the program says it in English, pages in both.

What says why stands where it is decided (share, work), in English, and stays so in the API, the audit log and on the
command line. Pages know its patterns; a reason no pattern fits is shown as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noroshi.web.wording import Words

LONGEST = 1000
"""Characters of a reason that are looked at; longer ones are shown as they are."""
_TLP = r"TLP:[A-Z+]+"
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "tlp",
        rf"(?P<tlp>{_TLP}) is stricter than (?P<ceiling>{_TLP}), the most that (?P<name>\S+) \(.*\) is given",
    ),
    (
        "telescope",
        r"the subject lies inside a telescope, whose addresses are told to the own organisation only",
    ),
    ("kind", r"(?P<kind>\S+) is not among the kinds (?P<name>\S+) wants"),
    ("ranges", r"it is not about the ranges of (?P<name>\S+)"),
    ("profile", r"the profile (?P<profile>\S+) leaves it out"),
    ("confidence", r"its confidence is below (?P<least>\d+)"),
    ("nomail", r"no mail address is known"),
    ("optedout", r"every mail address has opted out"),
    ("onitsway", r"a notice is still on its way"),
    ("unclear", r"it is unclear whether a notice arrived .*"),
    ("today", r"it had its notice of today"),
    ("returned", r"the last notice came back on (?P<day>[\d-]+); mend the mail address"),
    ("false", r"said to be false"),
    ("missing", r"Not Found"),
    ("missing.todo", r"The navigation shows what there is\."),
    ("method", r"Method Not Allowed"),
    ("role", r"this needs the role (?P<role>\w+), and (?P<name>.+) is (?P<has>\w+)"),
    ("role.todo", r"Ask an administrator\."),
    ("nobody", r"nobody is signed in"),
    ("form", r"the form is too old, or was not ours"),
    ("form.todo", r"Load the page again and repeat what you did\."),
    ("fault", r"a fault in Noroshi"),
    ("fault.todo", r"The server's log says more; please report it.*"),
)
_KNOWN = tuple((key, re.compile(pattern, re.DOTALL)) for key, pattern in _PATTERNS)


def said(words: Words, text: str) -> str:
    """A reason in the language of `words`; as it is in English, and where it is not known. Not escaped."""
    if words.lang == "en" or len(text) > LONGEST:
        return text
    for key, pattern in _KNOWN:
        if found := pattern.fullmatch(text):
            given = found.groupdict()
            if "kind" in given:
                given["kind"] = words.maybe(f"findings.kind.{given['kind']}", given["kind"])
            for role in ("role", "has"):
                if role in given:
                    given[role] = words.maybe(f"common.role.{given[role]}", given[role])
            return words(f"reasons.{key}", **given)
    return text
