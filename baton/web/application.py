"""The dashboard as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from baton.client.engine import Engine
from baton.client.engine_in_use import default_engine
from baton.errors import InvalidOption
from baton.web.assets import Assets
from baton.web.failures import refusal_of
from baton.web.pages import PAGES, Answer
from baton.web.pages.confirm import confirmed
from baton.web.rendering import Page, environment
from baton.web.security import protect, refusal_of_write, set_write_token, write_token
from baton.web.sign_in import Gate
from baton.web.users import Identify, User, identified
from baton.web.view import Refused, View, refuse

log = logging.getLogger("baton.web")

MOST_FORM_BYTES = 1 << 20
MOST_FIELDS = 2_000
Handler: TypeAlias = Callable[[View], Awaitable[Answer]]


def dashboard(engine: Engine | None = None, *, user: Identify, trusted_origins: Collection[str] = ()) -> Dashboard:
    """Return the dashboard as an ASGI application, to be mounted in another one under any path.

    It opens nothing by itself: the application enters the engine, and a request before that is answered with 503.

    Args:
        engine: left out, the engine that is in use when a request comes.
        user: says who sends a request, and what they may do; see `Identify`. It is asked before anything is read.
            Somebody it does not know is answered with 403.
        trusted_origins: addresses such as `https://ops.example.org` from which writes are accepted although a proxy
            changes the Host header. Most proxies need none.

    Raises: InvalidOption if `user` is no function.
    """
    if not callable(user):
        raise InvalidOption("user", user, "give a function that says who sends a request; without one nobody is shown")
    return Dashboard(engine, user, None, trusted_origins)


class Dashboard:
    """An ASGI application; see `dashboard`."""

    def __init__(
        self, engine: Engine | None, user: Identify, gate: Gate | None, trusted_origins: Collection[str] = ()
    ) -> None:
        self._engine = engine
        self._identify = user
        self._gate = gate
        self._trusted_origins = frozenset(trusted_origins)
        self._templates = environment()
        self._assets = Assets()
        self._app = Starlette(routes=self._routes(), exception_handlers={HTTPException: self._not_served})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == scope.get("root_path", "") != "":
            # The addresses of the pages are relative to a folder.
            name = scope["path"].rpartition("/")[2]
            await RedirectResponse(f"{name}/")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _routes(self) -> list[BaseRoute]:
        pages: list[BaseRoute] = [
            Route(f"/{path}", self._reading(handler), methods=["GET"]) for path, handler in PAGES.items()
        ]
        sign_in = self._gate.routes(self._rendered) if self._gate is not None else []
        return [
            *pages,
            Route("/confirm", self._writing(confirmed), methods=["POST"]),
            Route("/static/{name}", self._assets.served, methods=["GET"]),
            *sign_in,
        ]

    def _reading(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def served(request: Request) -> Response:
            return await self._answered(request, handler, QueryParams())

        return served

    def _writing(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def served(request: Request) -> Response:
            try:
                form = await read_form(request)
            except Refused as error:
                return self._refused(request, error, None)
            if (why := refusal_of_write(request, form, self._trusted_origins)) is not None:
                return self._refused(request, Refused(403, f"{why} Nothing was changed."), None)
            return await self._answered(request, handler, form)

        return served

    async def _answered(self, request: Request, handler: Handler, form: QueryParams) -> Response:
        user: User | None = None
        try:
            user = await identified(self._identify, request)
            if user is None:
                return self._unknown(request)
            view = View(
                self._engine or default_engine(), user, request.query_params, form, request.headers.get("last-event-id")
            )
            answer = await handler(view)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - of whatever failed, the page says so and the log says what
            return self._refused(request, refusal_of(error), user)
        if isinstance(answer, Page):
            return self._rendered(request, answer, user)
        protect(answer)
        return answer

    def _unknown(self, request: Request) -> Response:
        if self._gate is not None:
            return self._gate.ask(request)
        return self._refused(request, Refused(403, "You may not see this dashboard. Sign in to the application."), None)

    async def _not_served(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = "There is no such page." if error.status_code == 404 else "This address cannot be asked like that."
        return self._refused(request, Refused(error.status_code, sentence), None)

    def _refused(self, request: Request, refused: Refused, user: User | None) -> Response:
        titles = {400: "Not understood", 403: "Not allowed", 404: "Not found", 409: "Refused", 503: "Not available"}
        title = titles.get(refused.status, "Failed")
        page = Page("refused.html", title, {"sentence": refused.sentence}, refused.status)
        return self._rendered(request, page, user)

    def _rendered(self, request: Request, page: Page, user: User | None) -> Response:
        token = write_token(request)
        here = request.url.path.rpartition("/")[2]
        html = self._templates.get_template(page.template).render(
            **page.facts,
            title=page.title,
            follows=page.follows,
            user=user,
            here=here,
            address=f"{here}?{request.url.query}" if request.url.query else here,
            write_token=token,
            assets=self._assets,
            can_sign_out=self._gate is not None and user is not None,
        )
        response = Response(html, page.status, media_type="text/html; charset=utf-8")
        set_write_token(request, response, token)
        protect(response)
        return response


async def read_form(request: Request) -> QueryParams:
    """Read a form, whose fields may be repeated. Raises `Refused`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        refuse(415, "A write is sent as a form of this dashboard.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_FORM_BYTES:
            refuse(413, f"A form has at most {MOST_FORM_BYTES:,} bytes; send larger values from Python or SQL.")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        refuse(400, "The form cannot be read.")
    return QueryParams(fields)
