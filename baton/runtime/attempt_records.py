"""What attempts leave besides their outcomes: what they record, how far they are.

It leaves with the outcome, in the same transaction, or by a call for all attempts of the pool, soon after it was left:
`SECONDS` says how soon. A new kind needs its seconds here, and a branch in sql/functions/write_records.sql.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Literal, TypeAlias

from baton.core import codec
from baton.core.outcome import Outcome
from baton.database.connections import error_summary
from baton.database.failures import Failure, failure_of
from baton.database.messages import AttemptRecord
from baton.runtime.attempts import Attempt
from baton.runtime.debug_capture import Redact, redacted_json
from baton.tasks import wait_for_event

log = logging.getLogger("baton.pool")

RecordKind: TypeAlias = Literal["debug", "progress", "stream", "stream kept", "units", "usage"]
SECONDS: Mapping[RecordKind, float] = {
    "debug": 2.0,
    "progress": 0.5,
    "stream": 0.1,
    "stream kept": 0.1,
    "units": 0.5,
    "usage": 2.0,
}
"""After how long a record is sent if its attempt still runs; no call that sends this kind follows sooner."""
MOST_ITEMS = 1_000
"""An attempt in the event loop that has published this many items waits until they are written."""
ITEMS_PER_RECORD = 500
FAILURES = frozenset({"failed", "discarded", "lost"})
"""The outcomes after which a workflow with debug="errors" keeps what its attempt left."""
CONTINUED = frozenset({"snoozed", "again"})
"""The outcomes after which the next attempt goes on with what this one published."""
PAUSE_AFTER_FAILURE = 1.0
MOST_UNSENT = 10_000
"""An attempt that leaves more than this while the database is away loses the rest."""

Send: TypeAlias = Callable[[Sequence[AttemptRecord]], Awaitable[None]]


class Outbox:
    """What one attempt has left and what was not sent yet, in order."""

    def __init__(self, attempt: Attempt) -> None:
        claimed = attempt.claimed
        self._identity = (claimed.step_id, claimed.token, claimed.attempt)
        self.unsent: list[AttemptRecord] = []
        self.being_sent = 0
        self.answered = asyncio.Event()
        self._last_number = 0
        self._holds_debug = claimed.extras is not None and codec.decode(claimed.extras).get("debug") == "errors"
        self.items: dict[str, list[str]] = {}
        """What was published, by stream, since the last call."""
        self.has_published = False
        self.held: list[AttemptRecord] = []
        """Debug records that count only if the attempt fails."""
        self._lost = 0

    def put(self, kind: RecordKind, key: str, value: str) -> bool:
        """Take a record. Return whether there is one to send."""
        if kind == "stream":
            self.items.setdefault(key, []).append(value)
            self.has_published = True
            return True
        self._last_number += 1
        if kind == "progress":
            # Only the latest counts, and none once the attempt has ended.
            self.unsent = [record for record in self.unsent if record.kind != kind]
        if len(self.unsent) >= MOST_UNSENT:
            self._lost += 1
            if self._lost == 1:
                log.error("step %s leaves more than can be sent; the rest is dropped", self._identity[0])
            return False
        record = AttemptRecord(*self._identity, kind, key, self._last_number, monotonic(), value)
        is_held = kind == "debug" and self._holds_debug
        (self.held if is_held else self.unsent).append(record)
        return not is_held

    @property
    def has_unsent(self) -> bool:
        return bool(self.unsent or self.items)

    @property
    def unwritten_items(self) -> int:
        """How many items that were published are not written yet, as far as they wait here."""
        return sum(map(len, self.items.values()))

    def pack(self) -> None:
        """Make records of what was published: one for many items."""
        for stream, items in self.items.items():
            for first in range(0, len(items), ITEMS_PER_RECORD):
                self._last_number += 1
                text = f"[{','.join(items[first : first + ITEMS_PER_RECORD])}]"
                record = AttemptRecord(*self._identity, "stream", stream, self._last_number, monotonic(), text)
                self.unsent.append(record)
        self.items = {}

    def end(self, outcome: Outcome) -> None:
        """Keep unsent what counts now that the attempt has ended so."""
        self.pack()
        if self.has_published and outcome.kind in CONTINUED:
            self.put("stream kept", "", "null")
        # How far it was is of no interest any more.
        unsent = [record for record in self.unsent if record.kind != "progress"]
        has_failed = outcome.kind in FAILURES and not outcome.is_requested
        self.unsent, self.held = [*self.held, *unsent] if has_failed else unsent, []

    def take(self, kinds: frozenset[str]) -> list[AttemptRecord]:
        """Return the records of these kinds, which are sent now."""
        if "stream" in kinds:
            self.pack()
        taken = [record for record in self.unsent if record.kind in kinds]
        self.unsent = [record for record in self.unsent if record.kind not in kinds]
        self.being_sent += len(taken)
        self.answered.clear()
        return taken

    def sent(self, records: int) -> None:
        """Note that this many of those that were taken are answered."""
        self.being_sent -= records
        if self.being_sent == 0:
            self.answered.set()

    def put_back(self, records: Sequence[AttemptRecord]) -> None:
        """Keep what could not be sent."""
        self.unsent = [*records, *self.unsent]


class AttemptRecords:
    """Sends what the attempts of a pool leave.

    Args:
        send: writes records; may be repeated.
        redact: what each text in debug records passes through.
    """

    def __init__(self, send: Send, redact: Redact | None) -> None:
        self._send = send
        self._redact = redact
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._outboxes: dict[Outbox, None] = {}
        self._due: dict[RecordKind, float] = {}
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()

    def leave(self, attempt: Attempt, kind: RecordKind, key: str, value: str) -> None:
        """Leave a record, as JSON. May be called in any thread, and returns at once."""
        if kind == "debug" and self._redact is not None:
            value = redacted_json(value, self._redact)
        if threading.get_ident() == self._thread:
            self._leave(attempt, kind, key, value)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._leave, attempt, kind, key, value)

    def _leave(self, attempt: Attempt, kind: RecordKind, key: str, value: str) -> None:
        if attempt.outbox is None:
            attempt.outbox = Outbox(attempt)
        if not attempt.outbox.put(kind, key, value):
            return
        self._outboxes[attempt.outbox] = None
        if kind not in self._due:
            self._due[kind] = self._loop.time() + SECONDS[kind]
            self._changed.set()

    async def last(self, attempt: Attempt, outcome: Outcome | None) -> tuple[AttemptRecord, ...]:
        """Return what is to leave with the outcome of an attempt that has ended. What is being sent is waited for.

        Of an attempt that is settled by itself it is sent now, and nothing is returned.
        """
        if (outbox := attempt.outbox) is None or outcome is None:
            return ()
        while outbox.being_sent:
            await outbox.answered.wait()
        outbox.end(outcome)
        if attempt.is_settled or outcome.kind == "expanded":
            self._outboxes[outbox] = None
            await self._sent(frozenset(SECONDS))
            return ()
        self._outboxes.pop(outbox, None)
        records, outbox.unsent = tuple(outbox.unsent), []
        return records

    async def paced(self, attempt: Attempt) -> None:
        """Let the event loop go on, and wait while an attempt has published more than can be written."""
        await asyncio.sleep(0)
        if (outbox := attempt.outbox) is not None and outbox.unwritten_items > MOST_ITEMS:
            await self._sent(frozenset({"stream"}))

    async def run(self) -> None:
        """Send what is due until cancelled."""
        while True:
            pause = min(self._due.values(), default=float("inf")) - self._loop.time()
            if pause > 0:
                await wait_for_event(self._changed, None if pause == float("inf") else pause)
                self._changed.clear()
                continue
            now = self._loop.time()
            if not await self._sent(frozenset(kind for kind, due in self._due.items() if due <= now)):
                await asyncio.sleep(PAUSE_AFTER_FAILURE)

    async def flush(self, timeout: float) -> None:
        """Send everything that was left, for at most `timeout` seconds: what cannot be sent then is dropped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._sent(frozenset(SECONDS))
        if lost := sum(len(outbox.unsent) for outbox in self._outboxes):
            log.error("%s records that attempts left are dropped", lost)

    async def _sent(self, kinds: frozenset[RecordKind]) -> bool:
        """Send what was left of these kinds. Returns False if it has to be sent again.

        One call follows the other: the items of a stream are written in order.
        """
        async with self._sending:
            return await self._sent_now(kinds)

    async def _sent_now(self, kinds: frozenset[RecordKind]) -> bool:
        for kind in kinds:
            self._due.pop(kind, None)
        parts = [(outbox, outbox.take(kinds)) for outbox in self._outboxes]
        self._outboxes = {outbox: None for outbox in self._outboxes if outbox.has_unsent}
        is_sent = False
        try:
            await self._write([record for _, part in parts for record in part])
            is_sent = True
        except Exception as error:  # noqa: BLE001 - a loop; they are sent again, or with their outcomes
            log.warning("what attempts left could not be written yet: %s", error_summary(error))
        finally:
            for outbox, part in parts:
                if part and not is_sent:
                    outbox.put_back(part)
                    self._outboxes[outbox] = None
                outbox.sent(len(part))
            if not is_sent:
                now = self._loop.time()
                self._due.update({kind: now for kind in kinds if kind not in self._due})
        return is_sent

    async def _write(self, records: Sequence[AttemptRecord]) -> None:
        """Write records. One that cannot be stored is dropped, and delays no other."""
        if not records:
            return
        try:
            await self._send(records)
        except Exception as error:
            if failure_of(error) is not Failure.DATA:
                raise
            if len(records) == 1:
                log.error("what an attempt of step %s left could not be stored: %s", records[0].step_id, error)
                return
            half = len(records) // 2
            await self._write(records[:half])
            await self._write(records[half:])
