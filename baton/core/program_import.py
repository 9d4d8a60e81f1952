"""Import a program for one of its workers, and stop it before it begins its work a second time.

A worker in the file that was started, `__main__`, is only found by running that file. Without a guard,
`if __name__ == "__main__":`, it would open its engine and insert its workflows once more: everything that does so asks
here first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_is_importing = False
_was_stopped = False


class ProgramStopped(BaseException):
    """The program has begun its work while it was only imported. No `except Exception` of its own may catch it."""


@contextmanager
def importing_program() -> Iterator[None]:
    """Inside, stop the program where it enters an engine or inserts a workflow; what it has defined by then is there.

    Whatever the program makes of being stopped ends here, so that only its own errors are raised.
    """
    global _is_importing, _was_stopped  # noqa: PLW0603 - a process imports one program, once
    _is_importing, _was_stopped = True, False
    try:
        yield
    except BaseException:
        if not _was_stopped:
            raise
    finally:
        _is_importing = False


def stop_if_imported() -> None:
    """Raise `ProgramStopped` inside `importing_program`."""
    global _was_stopped  # noqa: PLW0603
    if _is_importing:
        _was_stopped = True
        raise ProgramStopped("another process imports this program for its workers, and does not run it again")
