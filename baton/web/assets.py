"""The style sheet, the script and the icon."""

from __future__ import annotations

from hashlib import sha256
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response

from baton.web.rendering import picture_style
from baton.web.security import protect

_TYPES = {
    "style.css": "text/css; charset=utf-8",
    "dashboard.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


class Assets:
    """The files, read once. An address has a hash of the content, so browsers may keep them."""

    def __init__(self) -> None:
        folder = resources.files("baton.web") / "static"
        self._contents = {name: (folder / name).read_bytes() for name in _TYPES}
        self._contents["style.css"] += picture_style().encode()
        self._hashes = {name: sha256(content).hexdigest()[:16] for name, content in self._contents.items()}

    @property
    def total_bytes(self) -> int:
        return sum(map(len, self._contents.values()))

    def address(self, name: str) -> str:
        """Return the address of a file, relative to the pages."""
        return f"static/{name}?{self._hashes[name]}"

    async def served(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _TYPES:
            response = Response("There is no such file.", 404, media_type="text/plain")
        elif request.headers.get("if-none-match") == f'"{self._hashes[name]}"':
            response = Response(status_code=304)
        else:
            response = Response(self._contents[name], media_type=_TYPES[name])
            is_current = request.url.query == self._hashes[name]
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_current else "no-cache"
            response.headers["ETag"] = f'"{self._hashes[name]}"'
        protect(response)
        return response
