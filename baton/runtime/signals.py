"""The signals that a process takes, and what the processes it forks do about them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from signal import Signals

import anyio

from baton.errors import BatonError

_taken: set[Signals] = set()
"""The signals whose handler in this process is an event loop's."""
_lock = threading.Lock()
_is_watching_forks = False


@contextmanager
def shutdown_signals() -> Iterator[AsyncIterator[Signals]]:
    """Receive the signals that ask a process to end: SIGTERM, SIGINT, and SIGHUP unless the process ignores it.

    Raises: BatonError in a thread, because Python delivers signals to the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        raise BatonError(
            "serve() handles signals, which Python allows in the main thread only: in another thread use "
            "'async with pool' and wait for an event of your own; leaving the block drains the pool"
        )
    wanted = [Signals.SIGTERM, Signals.SIGINT]
    # nohup lets a process outlive its terminal by ignoring it.
    if (hangup := getattr(signal, "SIGHUP", None)) is not None and signal.getsignal(hangup) is not signal.SIG_IGN:
        wanted.append(hangup)
    with kept_from_children(*wanted), anyio.open_signal_receiver(*wanted) as received:
        yield received


@contextmanager
def kept_from_children(*signals: Signals) -> Iterator[None]:
    """While inside, let each process that this one forks have the default handlers of these signals.

    An event loop hears of signals by a socket, and a forked process inherits both the handler and the socket: without
    this, a SIGTERM sent to the child would be ignored there, and would reach the event loop of its parent.
    """
    _watch_forks()
    added = set(signals) - _taken
    _taken.update(added)
    try:
        yield
    finally:
        _taken.difference_update(added)


def _watch_forks() -> None:
    global _is_watching_forks  # noqa: PLW0603 - what is registered for forks stays registered as long as the process
    with _lock:
        if not _is_watching_forks:
            os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_reset_and_unblock)
            _is_watching_forks = True


class _Mask(threading.local):
    """The signals that a thread had blocked before it began to fork; None while it does not fork."""

    before: set[int | Signals] | None = None


_mask = _Mask()


def _block() -> None:
    # One that arrives in the child before its handlers are reset has to wait until they are.
    if _taken:
        _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, _taken)


def _unblock() -> None:
    if _mask.before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)
        _mask.before = None


def _reset_and_unblock() -> None:
    if _mask.before is not None:
        signal.set_wakeup_fd(-1)
        for number in _taken:
            signal.signal(number, signal.default_int_handler if number is Signals.SIGINT else signal.SIG_DFL)
        _taken.clear()
        _unblock()
