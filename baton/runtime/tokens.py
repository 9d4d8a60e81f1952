"""The claim tokens a pool holds or has in flight: what its beats tell the database."""

from __future__ import annotations

from itertools import groupby
from threading import Lock
from uuid import UUID, uuid4


class Tokens:
    """Lists a token from before its claim is sent until every settle under it is answered.

    Read by the heartbeat's thread: an entry claimed under a token that two beats in a row do not list goes to others.
    """

    def __init__(self) -> None:
        self._unsettled: dict[UUID, int] = {}
        self._lock = Lock()

    def draw(self) -> UUID:
        """Return a fresh token for a claim that is about to be sent."""
        token = uuid4()
        with self._lock:
            self._unsettled[token] = 0
        return token

    def claimed(self, token: UUID, steps: int) -> None:
        """The claim was answered, with so many steps."""
        with self._lock:
            if steps:
                self._unsettled[token] = steps
            else:
                self._unsettled.pop(token, None)

    def answered(self, *tokens: UUID) -> None:
        """The outcome of one step under each of these tokens was answered, or will never be sent."""
        with self._lock:
            # Those of one claim often come together, and to hash a token takes as long as to compare ten.
            for token, same in groupby(tokens):
                left = self._unsettled.get(token, 0) - len(tuple(same))
                if left > 0:
                    self._unsettled[token] = left
                else:
                    self._unsettled.pop(token, None)

    def listed(self) -> list[UUID]:
        with self._lock:
            return list(self._unsettled)
