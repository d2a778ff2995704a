"""That a change was asked for by our own page: a token the page knows, and where the browser says it came from."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import Request

from noroshi.web import urls
from noroshi.web.errors import Forbidden

HEADER = "x-csrf-token"
FIELD = "csrf"
SAFE = ("GET", "HEAD", "OPTIONS")


def token(key: bytes, cookie: str) -> str:
    """The token that belongs to a cookie: who cannot read the cookie cannot make it."""
    return hmac.new(key, b"csrf\0" + cookie.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def fresh() -> str:
    """A new random cookie for somebody who has not signed in."""
    return secrets.token_urlsafe(24)


def same_origin(request: Request) -> bool:
    """False when the browser says that another site asked. Who says nothing is judged by the token alone."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    scheme, host = urls.origin(origin)
    # Behind a proxy that ends TLS the browser says https and we are asked by http; the other way round is not us.
    return host == request.headers.get("host", "").lower() and (
        scheme == "https" or request.url.scheme == "http"
    )


async def check(request: Request, key: bytes, cookie: str) -> None:
    """Raises Forbidden unless the request came from our page; the token in a header, or in a field of the form."""
    if not same_origin(request):
        raise Forbidden("another site asked for this change", todo="Open the page and do it there.")
    given = request.headers.get(HEADER, "")
    kind = request.headers.get("content-type", "")
    if not given and kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        form = await request.form(max_files=8, max_fields=500, max_part_size=1 << 20)
        given = str(form.get(FIELD, ""))
    if not cookie or not hmac.compare_digest(given.encode("utf-8", "replace"), token(key, cookie).encode()):
        raise Forbidden(
            "the form is too old, or was not ours", todo="Load the page again and repeat what you did.",
        )  # fmt: skip
