"""Errors of what concerns language models; part of the tree in `baton.errors`."""

# ruff: noqa: N818  # as in baton.errors

from __future__ import annotations

from baton.errors import BatonError
from baton.errors.texts import quoted


class InvalidUsage(BatonError, ValueError):
    """What a call of a language model used is not understood, or has impossible numbers."""


class NoModel(BatonError):
    """`ctx.model` was read, and no model map of the workflow names a model for the step."""

    def __init__(self, step: str, worker: str) -> None:
        self.step = step
        self.worker = worker
        super().__init__(
            f"no model is named for step {quoted(step)}: write "
            f"Baton.new(models={{{step!r}: '...'}}), or name one for worker {worker!r} or for '*', every other step"
        )
