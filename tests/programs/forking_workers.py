"""Workers that fork this process, and end what they forked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from baton import worker

fork = multiprocessing.get_context("fork")


@worker(name="forking in a thread")
def in_a_thread() -> int | None:
    return _terminated_child()


@worker(name="forking in the event loop")
async def in_the_event_loop() -> int | None:
    return _terminated_child()


def _terminated_child() -> int | None:
    """Return how a forked child ends that gets a SIGTERM."""
    child = fork.Process(target=time.sleep, args=(60,))
    child.start()
    child.terminate()
    child.join(20)
    return child.exitcode


@worker(name="forking pool")
def pool_that_breaks() -> int:
    """Kill one child of a pool of processes, which then sends a SIGTERM to the others; return how many calls failed."""
    with ProcessPoolExecutor(3, mp_context=fork) as pool:
        calls = [pool.submit(time.sleep, 60) for _ in range(3)]
        os.kill(next(iter(pool._processes)), signal.SIGKILL)
        wait(calls, timeout=30)
    return sum(isinstance(call.exception(), BrokenProcessPool) for call in calls)
