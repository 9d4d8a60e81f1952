"""Signing in with a token, where no application knows the users: the gate of `baton web`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Collection
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from baton.errors import InvalidOption
from baton.web.rendering import Page
from baton.web.security import cookie_name, protect, refusal_of_write, set_cookie
from baton.web.users import User

SHORTEST_TOKEN = 16
_COOKIE = "baton_session"

Render: TypeAlias = Callable[[Request, Page, User | None], Response]


class Gate:
    """Lets in who knows the token, as one user.

    The cookie has a hash that only the token gives, and not the token: a new token ends all sessions.
    """

    def __init__(self, token: str, user: User, trusted_origins: Collection[str] = ()) -> None:
        if len(token) < SHORTEST_TOKEN or not token.isascii():
            # Without the value: this error is printed.
            raise InvalidOption(
                "token", f"of {len(token)} characters", f"it has at least {SHORTEST_TOKEN}, and only ASCII"
            )
        self._token = token.encode()
        self._session = hmac.new(self._token, b"baton web session", hashlib.sha256).hexdigest()
        self._user = user
        self.trusted_origins = trusted_origins

    def user(self, request: Request) -> User | None:
        """Return the user, if the browser has signed in."""
        given = request.cookies.get(cookie_name(request, _COOKIE), "")
        is_known = hmac.compare_digest(given.encode(), self._session.encode())
        return self._user if is_known else None

    def ask(self, request: Request) -> Response:
        """Send a browser to the form."""
        response: Response
        if request.method == "GET" and not request.url.path.endswith("/events"):
            response = RedirectResponse("sign-in", 303)
        else:
            response = Response("Sign in first.", 403, media_type="text/plain")
        protect(response)
        return response

    def routes(self, render: Render) -> list[BaseRoute]:
        """Return the pages for signing in and out."""

        async def form(request: Request) -> Response:
            return self._form(request, render, None, 200)

        async def signed_in(request: Request) -> Response:
            from baton.web.application import read_form
            from baton.web.view import Refused

            try:
                given = await read_form(request)
            except Refused as error:
                return self._form(request, render, error.sentence, error.status)
            if (why := refusal_of_write(request, given, self.trusted_origins)) is not None:
                return self._form(request, render, why, 403)
            if not hmac.compare_digest(given.get("token", "").encode(), self._token):
                return self._form(request, render, "This is not the token.", 403)
            response = RedirectResponse("./", 303)
            set_cookie(request, response, _COOKIE, self._session)
            protect(response)
            return response

        async def signed_out(request: Request) -> Response:
            response = RedirectResponse("sign-in", 303)
            set_cookie(request, response, _COOKIE, "")
            protect(response)
            return response

        return [
            Route("/sign-in", form, methods=["GET"]),
            Route("/sign-in", signed_in, methods=["POST"]),
            # To be signed out by another site harms nobody, so it needs no token.
            Route("/sign-out", signed_out, methods=["POST"]),
        ]

    def _form(self, request: Request, render: Render, why: str | None, status: int) -> Response:
        return render(request, Page("sign_in.html", "Sign in", {"why": why}, status), None)
