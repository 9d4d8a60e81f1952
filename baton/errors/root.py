"""The root of the tree of errors."""

from __future__ import annotations

from typing import Any


def _restored(kind: type[BatonError], message: str, facts: dict[str, Any]) -> BatonError:
    error = kind.__new__(kind, message)
    error.__dict__.update(facts)
    return error


class BatonError(Exception):
    """The root of every error Baton raises on purpose."""

    says = "something went wrong"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(self.says if message is None else message)

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses take facts instead of a message. By default, an error that is copied or sent to
        # another process would be made again with its message, and that would be a TypeError.
        return _restored, (type(self), str(self), self.__dict__)
