"""Who looks at the dashboard, and what they may do."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from starlette.requests import Request

from baton.errors import InvalidOption

Permission: TypeAlias = Literal[
    "see data", "cancel", "retry", "signal", "repair", "pause queues", "change schedules", "change limits"
]
"""What a user may do besides reading.

    see data          read arguments, results, metadata and what was sent, which may be confidential
    cancel, retry     workflows and steps
    signal            answer a step that waits for a signal
    repair            complete a step with a value, skip it, start it now
    pause queues      and resume them
    change schedules  pause and resume them, and insert a run now
    change limits     of queues
"""

EVERYTHING: frozenset[Permission] = frozenset(get_args(Permission))
"""All of these."""

LONGEST_NAME = 200
"""Characters of a user's name that are noted with what they do."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may read the dashboard, and whatever else `may` names.

    Raises: InvalidOption if the name is empty, or a permission is unknown.
    """

    name: str
    """Noted with each action."""
    may: Collection[Permission] | Literal["everything"] = ()

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidOption("name", self.name, "a user has a name, which is noted with what they do")
        # A text would be taken for a collection of letters.
        given = [self.may] if isinstance(self.may, str) else self.may
        if self.may != "everything" and (unknown := sorted(set(map(str, given)) - EVERYTHING)):
            known = ", ".join(map(repr, sorted(EVERYTHING)))
            raise InvalidOption("may", unknown[0], f"it is 'everything', or a collection of {known}")

    def can(self, permission: Permission) -> bool:
        """Whether this user has a permission."""
        return self.may == "everything" or permission in self.may


Identified: TypeAlias = User | str | None
Identify: TypeAlias = Callable[[Request], Identified | Awaitable[Identified]]
"""Says who sends a request: a `User`; a name, for somebody who may read and nothing else; None for nobody. May be
async."""


async def identified(identify: Identify, request: Request) -> User | None:
    """Return who sends a request, as the application says; None if they may not even read.

    Raises: TypeError if the application answers with something else.
    """
    answer = identify(request)
    found = await answer if inspect.isawaitable(answer) else answer
    match found:
        case None | User():
            return found
        case str() if found.strip():
            return User(found)
        case _:
            # True must not become somebody: who writes `user=is_staff` has forgotten the name.
            raise TypeError(f"user= must return a User, a name, or None, and returned {type(found).__name__}")
