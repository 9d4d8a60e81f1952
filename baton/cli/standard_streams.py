"""The standard streams of this process: open, and able to take any text."""

from __future__ import annotations

import io
import os
import sys

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def prepare() -> None:
    """Open the standard streams that the parent closed on /dev/null, and let output replace what it cannot encode.

    Without the first, the next file or socket would be opened as descriptor 0, 1 or 2: whatever is printed would go
    into it, and uvloop aborts the process when it closes one. Without the second, a terminal that is not UTF-8 would
    end a command in the middle.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS):
        if not _is_open(descriptor):
            # open() takes the lowest descriptor that is free, and the lower ones are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Let what stdout still holds go to /dev/null: Python flushes it once more at the end, which must not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
