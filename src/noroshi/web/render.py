"""Pages: templates with what every page needs, and the macros' helpers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context
from starlette.responses import Response

from noroshi.web import reasons, static, urls
from noroshi.web.timerange import PRESETS
from noroshi.web.viewer import Visit

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
MOST_SHOWN = 10_000
"""Characters of a hostile text that a page holds; the rest is in the raw line."""
YEAR = 365 * 86_400


def page(
    visit: Visit, template: str, *, status: int = 200, here: str = "", ranged: bool = False, command: str = "",
    headers: Mapping[str, str] | None = None, **context: Any,
) -> Response:  # fmt: skip
    """A page from `templates/`. here: its name in registry.PAGES. ranged: with the time range in its header.
    command: what gives the same answer on the command line."""
    t = visit.words
    shown: dict[str, Any] = {
        "t": t, "lang": t.lang, "theme": visit.theme, "visit": visit, "viewer": visit.known, "csrf": visit.csrf,
        "here": here, "nav": _nav(visit), "ranged": ranged and visit.known is not None, "command": command,
        "url": _url_here(visit), "now": visit.now, "presets": PRESETS, "path": _path_here(visit),
        "local": visit.tower.options.open, "date": lambda at: moment(at, visit),
        "ago": lambda at: ago(at, visit), "said": lambda text: reasons.said(t, str(text)),
        "zone": visit.tower.config.timezone.key,
    }  # fmt: skip
    if shown["ranged"]:
        shown["span"] = visit.span
    body = environment().get_template(template).render(shown | context)
    out = Response(body, status, dict(headers or {}), "text/html; charset=utf-8")
    out.headers.setdefault("vary", "Accept-Language, Cookie")
    _remember(visit, out)
    return out


def part(visit: Visit, template: str, **context: Any) -> Response:
    """A part of a page, for htmx; the same template a page includes."""
    return page(visit, template, **context)


@cache
def environment() -> Environment:
    """The templates: everything is escaped, and a name that is missing is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    made.globals |= {"static": static.url, "entity_url": entity_url, "defanged": defanged}
    made.filters |= {
        "visible": visible, "number": number, "size": size, "iso": iso, "duration": duration, "text": plain,
    }  # fmt: skip
    return made


def _nav(visit: Visit) -> list[dict[str, str]]:
    from noroshi.web.routes import pages

    if visit.known is None:
        return []
    keep = visit.span.query() if _has_range(visit) else {}
    return [
        {"name": p.name, "path": urls.with_query(p.path, keep if p.ranged else {}),
         "title": visit.words(f"{p.name}.nav")}
        for p in pages() if p.nav and visit.known.may(p.role)
    ]  # fmt: skip


def _has_range(visit: Visit) -> bool:
    from noroshi.model.errors import UsageError

    if not any(visit.request.query_params.get(k) for k in ("range", "from", "to")):
        return False
    try:
        return visit.span is not None
    except UsageError:
        return False


def _url_here(visit: Visit) -> Any:
    """A function that gives the URL of this page with words in its query changed; None takes one away."""

    def url(**changes: Any) -> str:
        query = {k: v for k, v in visit.request.query_params.multi_items() if k not in changes}
        query |= {k.rstrip("_"): str(v) for k, v in changes.items() if v is not None}
        query = {k: v for k, v in query.items() if k not in changes or changes[k] is not None}
        return urls.with_query(_path_here(visit), query)

    return url


def _path_here(visit: Visit) -> str:
    """The path of this page as it stands in a link: encoded as it came, and never that of another host."""
    scope = visit.request.scope
    raw = scope.get("raw_path") or b""
    path = raw.partition(b"?")[0].decode("ascii", "replace") if raw else ""
    if not path.isascii() or not path.isprintable():
        path = ""
    return "/" + (path or urls.path(visit.request.url.path)).lstrip("/")


def _remember(visit: Visit, out: Response) -> None:
    """Keeps language and theme asked for in the URL, and the cookie that forms of this page are tied to."""
    secure, query = visit.tower.options.tls, visit.request.query_params
    if query.get("lang") in ("en", "ja"):
        out.set_cookie("lang", query["lang"], max_age=YEAR, secure=secure, samesite="lax", path="/")
    if query.get("theme") in ("light", "dark", "auto"):
        out.set_cookie("theme", query["theme"], max_age=YEAR, secure=secure, samesite="lax", path="/")
    if visit.new_cookie:
        name = visit.tower.doorkeeper.form_name
        out.set_cookie(name, visit.cookie, secure=secure, httponly=True, samesite="lax", path="/")


def entity_url(kind: str, value: str) -> str:
    """The page of a value."""
    return f"/entity/{urls.segment(kind)}/{urls.segment(value)}"


def visible(text: object) -> str:
    """A text from outside as it may be shown: control characters, and those that turn or vanish, written out."""
    shown = str(text)
    cut = len(shown) > MOST_SHOWN
    shown = _UNSEEN.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}",
                        shown[:MOST_SHOWN])  # fmt: skip
    return shown + "…" if cut else shown


def plain(text: object) -> str:
    """The same on one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def defanged(value: str) -> str:
    """A value nobody clicks on by mistake."""
    out = value.replace("http", "hxxp", 1) if value.startswith(("http://", "https://")) else value
    return out.replace(".", "[.]").replace("@", "[@]") if not out.startswith("pkg:") else out


def number(n: float | None) -> str:
    """With its thousands separated; – for nothing."""
    if n is None:
        return "–"
    return f"{n:,.0f}" if n == int(n) or abs(n) >= 100 else f"{n:,.2f}"


def size(n: float) -> str:
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(n) < 1000 or unit == "TB":
            return f"{n:,.0f} {unit}" if unit == "B" or n >= 100 else f"{n:,.1f} {unit}"
        n /= 1000
    raise AssertionError


@pass_context
def duration(context: Mapping[str, Any], seconds: float) -> str:
    """A length of time in its two largest units, in the page's language."""
    s, t = round(seconds), context["t"]
    parts = ((s // 86_400, "d"), (s // 3600 % 24, "h"), (s // 60 % 60, "min"), (s % 60, "s"))
    shown = [t(f"common.unit.{u}", n=n) for n, u in parts if n][:2]
    return " ".join(shown) or str(t("common.unit.s", n=0))


def iso(at: datetime | None) -> str:
    """ISO 8601 in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""


def moment(at: datetime | str | None, visit: Visit) -> str:
    """A time as tables show it: in the site's zone, to the minute."""
    if not at:
        return "–"
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at.astimezone(visit.tower.config.timezone).strftime("%Y-%m-%d %H:%M")


def ago(at: datetime | None, visit: Visit) -> str:
    """How long ago, in words."""
    t = visit.words
    if at is None:
        return t("common.never")
    s = int((visit.now - at).total_seconds())
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if s >= length * (2 if unit == "days" else 1):
            return t.n(f"common.ago.{unit}", s // length)
    return t("common.ago.now")
