"""The claim tokens that a pool holds or has in flight. Its heartbeats list them to the database."""

from __future__ import annotations

from itertools import groupby
from threading import Lock
from uuid import UUID, uuid4


class Tokens:
    """Lists a token from before its claim is sent until every settle under it is answered.

    The heartbeat's thread reads the list. When two heartbeats in a row do not list a token, upkeep gives the steps that
    were claimed under it to other pools.
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
        """Note the answer to a claim: how many steps it returned."""
        with self._lock:
            if steps:
                self._unsettled[token] = steps
            else:
                self._unsettled.pop(token, None)

    def kept(self, token: UUID) -> None:
        """Note that one more outcome will be sent under a token that is listed."""
        with self._lock:
            self._unsettled[token] = self._unsettled.get(token, 0) + 1

    def answered(self, *tokens: UUID) -> None:
        """Note for one step under each of these tokens that its outcome was answered, or that it will send none."""
        with self._lock:
            # Tokens of one claim often come together. Hashing a token takes as long as comparing it
            # ten times.
            for token, same in groupby(tokens):
                left = self._unsettled.get(token, 0) - len(tuple(same))
                if left > 0:
                    self._unsettled[token] = left
                else:
                    self._unsettled.pop(token, None)

    def listed(self) -> list[UUID]:
        """Return the tokens, in no particular order."""
        with self._lock:
            return list(self._unsettled)
