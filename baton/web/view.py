"""What a page is given: the engine, who asks, and the parameters of the address, read with care."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeVar

from starlette.datastructures import QueryParams

from baton.client.engine import Engine
from baton.client.run import Run
from baton.core.names import UNSTORABLE
from baton.errors import BatonError
from baton.web.users import LONGEST_NAME, Permission, User

C = TypeVar("C", bound=str)

LONGEST_PARAMETER = 4_000
MOST_KEY = 2**63 - 1
_UNITS = {"m": 60, "h": 3600, "d": 86400}


class Refused(BatonError):  # noqa: N818 - as the package's other errors are named
    """A request that is not served: its status, and why, as a sentence for the reader."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class View:
    """A request for a page."""

    engine: Engine
    user: User
    query: QueryParams
    form: QueryParams
    """What was sent with a write; empty for a page that is only read."""
    last_event: str | None = None
    """The id of the last event that a stream has delivered."""

    def text(self, name: str) -> str | None:
        """Return a parameter, None if it is not given or empty. Raises `Refused` if nothing stored can be so."""
        value = self.query.get(name, "")
        if len(value) > LONGEST_PARAMETER or UNSTORABLE.search(value):
            refuse(400, f"The parameter {name} of this address cannot be right: it is too long, or no text.")
        return value or None

    def texts(self, name: str) -> list[str]:
        """Return each value of a parameter that may be repeated."""
        return [value for value in self.query.getlist(name) if value and not UNSTORABLE.search(value)]

    def needed(self, name: str) -> str:
        """Return a parameter. Raises `Refused` if it is not given."""
        return self.text(name) or refuse(400, f"This address lacks the parameter {name}.")

    def number(self, name: str) -> int | None:
        """Return a position in a list, None if it is not given."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal()) or len(value) > 19 or int(value) > MOST_KEY:
            refuse(400, f"The parameter {name} of this address is no place in this list: begin with its first page.")
        return int(value)

    def choice(self, name: str, choices: tuple[C, ...]) -> C | None:
        """Return a parameter that is one of a few words."""
        value = self.text(name)
        for one in choices:
            if one == value:
                return one
        if value is not None:
            refuse(400, f"The parameter {name} is {value!r}, and may be {', '.join(choices)}.")
        return None

    def since(self, name: str) -> datetime | timedelta | None:
        """Return a time, or a span of time that counts back from now: `90m`, `24h`, `7d`, or an ISO date."""
        value = self.text(name)
        if value is None:
            return None
        amount, unit = value[:-1], value[-1]
        if unit in _UNITS and amount.isascii() and amount.isdecimal() and len(amount) <= 6:
            return timedelta(seconds=int(amount) * _UNITS[unit])
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            refuse(400, f"{name} is {value!r}, which is not a time: write 90m, 24h, 7d, or a date as 2026-11-28 (UTC).")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def actor(self) -> str:
        """Who is noted with what is changed."""
        return self.user.name[:LONGEST_NAME]

    def run(self) -> Run:
        """Return the run that the address names."""
        return Run(self.needed("id"), self.engine)

    def require(self, permission: Permission) -> None:
        """Raise `Refused` if the user may not do this."""
        if not self.user.can(permission):
            refuse(403, f"{self.user.name} may read this dashboard, but not: {permission}. Nothing was changed.")


def refuse(status: int, sentence: str) -> NoReturn:
    """Raise `Refused`."""
    raise Refused(status, sentence)
