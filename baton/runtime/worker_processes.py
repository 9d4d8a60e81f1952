"""The child processes of a pool: workers with `executor="process"` run in them, one attempt at a time in each."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from baton.core.context import Leave
from baton.core.outcome import Outcome, from_text
from baton.core.worker import AnyWorker
from baton.runtime.attempts import Attempt
from baton.runtime.child_process import LEFT, LENGTH_BYTES
from baton.runtime.invocation import Origin, claim_to_text, origin_of, undefined_elsewhere
from baton.tasks import Tasks

log = logging.getLogger("baton.pool")

IDLE_SECONDS = 300.0
"""A process that ran nothing for so long is ended."""
CLOSE_SECONDS = 2.0
_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from baton.runtime.child_process import main
main()
"""


@dataclass(eq=False)
class Child:
    """One process, and when it was last used."""

    process: Process
    answers: BufferedByteReceiveStream
    idle_since: float = 0.0

    async def ask(self, request: bytes, leave: Leave) -> str:
        """Send a request and return the answer; hand on what the attempt leaves before it.

        Raises ChildProcessError if the process ends before it answers.
        """
        try:
            assert self.process.stdin is not None
            await self.process.stdin.send(len(request).to_bytes(LENGTH_BYTES, "big") + request)
            while (message := await self._received()).startswith(LEFT):
                leave(*json.loads(message.removeprefix(LEFT)))
            return message
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError) as error:
            raise ChildProcessError(f"the worker's process {await self._end()} during the attempt") from error

    async def _received(self) -> str:
        length = int.from_bytes(await self.answers.receive_exactly(LENGTH_BYTES), "big")
        return (await self.answers.receive_exactly(length)).decode()

    async def _end(self) -> str:
        code = await self.process.wait()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class WorkerProcesses:
    """Runs attempts in child processes, which are started when they are needed and used again.

    Args:
        size: how many there may be; further attempts wait for one of them.
    """

    def __init__(self, size: int) -> None:
        self._slots = anyio.CapacityLimiter(size)
        self._idle: deque[Child] = deque()
        self._ending = Tasks()

    async def run(self, attempt: Attempt, worker: AnyWorker, leave: Leave) -> Outcome:
        """Call the worker in a process. Cancelling the call kills that process.

        Raises: ChildProcessError if the process ends by itself, or cannot be started.
        """
        if (origin := origin_of(worker)) is None:
            return undefined_elsewhere(worker)
        async with self._slots:
            attempt.begin()
            child = self._taken() or await _started()
            try:
                answer = await child.ask(_request(origin, attempt), leave)
            except BaseException:
                self._kill(child)
                raise
            child.idle_since = asyncio.get_running_loop().time()
            self._idle.append(child)
        return from_text(answer)

    async def aclose(self) -> None:
        """End the processes that are idle; those that run end with their attempts."""
        while self._idle:
            self._kill(self._idle.pop())
        # Not cancelled at once: that would leave pipes open, and a process that is never waited
        # for.
        await self._ending.ended(CLOSE_SECONDS)
        await self._ending.aclose(patience=CLOSE_SECONDS)

    def _taken(self) -> Child | None:
        """Take the process that was used last, and end those that have been idle for long."""
        now = asyncio.get_running_loop().time()
        while self._idle and now - self._idle[0].idle_since > IDLE_SECONDS:
            self._kill(self._idle.popleft())
        while self._idle:
            child = self._idle.pop()
            if child.process.returncode is None:
                return child
            self._kill(child)
        return None

    def _kill(self, child: Child) -> None:
        if child.process.returncode is None:
            child.process.kill()
        self._ending.start(child.process.aclose(), name="baton process ending")


async def _started() -> Child:
    # sys.path, because a program may have found its modules by other means than its child would.
    command = [sys.executable, *_interpreter_flags(), "-c", _PROGRAM, json.dumps(sys.path), str(os.getpid())]
    try:
        process = await anyio.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None)
    except OSError as error:
        raise ChildProcessError(f"a process for the worker cannot be started: {error}") from error
    assert process.stdout is not None
    return Child(process, BufferedByteReceiveStream(process.stdout))


def _interpreter_flags() -> list[str]:
    """Return what this interpreter was started with, as -W and -X: the child is to behave alike."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined] # as multiprocessing does
    return flags


def _request(origin: Origin, attempt: Attempt) -> bytes:
    return json.dumps(asdict(origin) | {"claimed": claim_to_text(attempt.claimed)}, ensure_ascii=True).encode()
