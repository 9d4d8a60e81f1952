"""The one module that starts asyncio tasks, so that every task has an owner who ends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger("baton")


class Tasks:
    """Owns tasks: holds each until it ends, logs the failure of any, and ends them all on `aclose`."""

    def __init__(self) -> None:
        self._owned: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._context = copy_context()

    def start(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Run a coroutine as a task of this owner. Its failure is logged, as perhaps nothing awaits it."""
        # Looked up once: up to Python 3.11 that asks the kernel for the process id, a sixth of what
        # a task costs.
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(coroutine, name=name)
        self._owned.add(task)
        # Without a context of its own, each callback makes a copy of the caller's.
        task.add_done_callback(self._ended, context=self._context)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._owned.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("%s ended with an unexpected error", task.get_name(), exc_info=error)

    async def ended(self, timeout: float | None = None) -> bool:
        """Let all tasks end by themselves, for at most `timeout` seconds. Return whether they have."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._owned:
                    await asyncio.wait(self._owned)
        return not self._owned

    async def aclose(self, patience: float | None = None) -> None:
        """Cancel what still runs and return when all of it has ended.

        A task that is still there `patience` seconds after its cancellation is named in the log and left behind.
        """
        while self._owned:
            for task in self._owned:
                task.cancel()
            ended, _ = await asyncio.wait(self._owned, timeout=patience)
            if not ended:
                names = ", ".join(task.get_name() for task in self._owned)
                log.error("left behind, because cancelling does not end it: %s", names)
                return


async def in_turn(calls: AsyncIterator[Callable[[], Coroutine[Any, Any, None]]]) -> None:
    """Make calls one after the other, each while the next one is being prepared.

    The first call that fails, or cannot be prepared, is the last. When this returns, no call is under way.
    """
    under_way: asyncio.Task[None] | None = None
    try:
        async for call in calls:
            if under_way is not None:
                await under_way
            under_way = asyncio.create_task(call(), name="baton call in turn")
        if under_way is not None:
            await under_way
    except BaseException as error:
        if under_way is not None and not under_way.done():
            if isinstance(error, asyncio.CancelledError):
                under_way.cancel()
            with suppress(Exception, asyncio.CancelledError):
                await finish(under_way)
        raise


async def finish(task: asyncio.Task[T]) -> T:
    """Await a task that must not be abandoned: a cancellation of the caller takes effect when the task has ended."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except Exception:  # noqa: BLE001 - raised below, by the task's own result
            break
    if cancelled is not None:
        raise cancelled
    return task.result()


async def in_thread(call: Callable[..., T], *args: object, abandon_on_cancel: bool = False) -> T:
    """Call a blocking function in a thread of our own, and not in the executor of `asyncio.to_thread`.

    Steps may keep that one busy. A cancellation takes effect when the call has ended, or at once and without it.
    """
    # Imported here: not every program that imports Baton runs anything.
    from anyio import CapacityLimiter, to_thread

    return await to_thread.run_sync(call, *args, abandon_on_cancel=abandon_on_cancel, limiter=CapacityLimiter(1))


async def wait_for_event(event: asyncio.Event, timeout: float | None) -> bool:
    """Wait until the event is set, for at most `timeout` seconds. Return whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await event.wait()
    return event.is_set()
