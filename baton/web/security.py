"""What protects the dashboard in a browser: headers on each response, and two checks of each write.

A write is accepted from a page of the dashboard only: the browser must say that the request comes from the same
origin, and the form must carry the token that is in a cookie of this browser.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

HEADERS: Mapping[str, str] = {
    # No inline script or style anywhere, nothing from another host, and in nobody's frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With "no-referrer" browsers send `Origin: null` with forms, and each write would be refused.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NO_STORE = "no-store"

FIELD = "write_token"
"""The name of the form's field that carries the token."""
_COOKIE = "baton_write_token"


def protect(response: Response) -> None:
    """Add the headers. A page is not kept by browsers and proxies, unless it says itself how long it may be."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", NO_STORE)


def write_token(request: Request) -> str:
    """Return the token of this browser, a new one if it has none."""
    given = request.cookies.get(cookie_name(request, _COOKIE), "")
    return given if _is_token(given) else secrets.token_urlsafe(32)


def set_write_token(request: Request, response: Response, token: str) -> None:
    """Give the token to the browser, if it has another one or none."""
    if request.cookies.get(cookie_name(request, _COOKIE)) != token:
        set_cookie(request, response, _COOKIE, token)


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """Set a cookie of the browser's session that no script reads and no other site sends."""
    is_secure = request.url.scheme == "https"
    response.set_cookie(cookie_name(request, name), value, httponly=True, samesite="strict", secure=is_secure, path="/")


def cookie_name(request: Request, name: str) -> str:
    """Return a cookie's name: over HTTPS with the prefix that keeps other hosts of the domain from setting it."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def refusal_of_write(request: Request, form: Mapping[str, str], trusted_origins: Collection[str]) -> str | None:
    """Return why a write is refused, as a sentence; None if it comes from a page of the dashboard."""
    if not is_same_origin(request.headers, trusted_origins):
        return (
            "This request does not come from a page of this dashboard. If it does, a proxy changes the Host header: "
            "pass it on, or name the address that browsers use in trusted_origins."
        )
    given = request.cookies.get(cookie_name(request, _COOKIE), "")
    if not _is_token(given) or not hmac.compare_digest(given.encode(), form.get(FIELD, "").encode()):
        return "The form has expired or carries no write token. Go back, load the page again, and send it again."
    return None


def is_same_origin(headers: Headers, trusted_origins: Collection[str]) -> bool:
    """Whether the browser says that a request comes from the dashboard's own origin.

    Sec-Fetch-Site is what browsers send over HTTPS and to this machine; no page can forge it. Elsewhere Origin has to
    name the host that was asked. A request with neither is refused.
    """
    origin = headers.get("origin", "")
    if origin and origin in trusted_origins:
        return True
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return bool(origin) and _host(origin) == headers.get("host", "").lower() != ""


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _is_token(given: str) -> bool:
    return len(given) == 43 and given.isascii()
