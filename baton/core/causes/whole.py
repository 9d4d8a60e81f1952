"""Why a workflow as a whole is not final, or ended as it did."""

from __future__ import annotations

from baton.core.causes.kind import Kind, because, caller, counted


class RunExecutes(Kind, frozen=True):
    """Steps of it are not final."""

    unfinished: int

    def __str__(self) -> str:
        verb = "is" if self.unfinished == 1 else "are"
        return f"is executing, and {counted(self.unfinished, 'step')} of it {verb} not final"


class RunBeingEnded(Kind, frozen=True):
    """How it ends is decided, and closing steps or undos still run."""

    verdict: str
    reason: str | None
    unfinished: int

    def __str__(self) -> str:
        return (
            f"is being ended as {self.verdict}{because(self.reason)}; {counted(self.unfinished, 'step')} of it "
            f"{'has' if self.unfinished == 1 else 'have'} to end before"
        )


class RunCompleted(Kind, frozen=True):
    """No failure counts."""

    def __str__(self) -> str:
        return "is completed"


class RunFailed(Kind, frozen=True):
    """A step failed, and nothing forgives it."""

    reason: str | None = None
    """Of a workflow that was ended as a whole."""

    def __str__(self) -> str:
        return f"failed{because(self.reason)}"


class RunCancelled(Kind, frozen=True):
    """It was cancelled as a whole."""

    reason: str | None = None
    actor: str | None = None
    """Who, as the application said."""
    role: str | None = None
    """The database role that called."""

    def __str__(self) -> str:
        return f"was cancelled by {caller(self.actor, self.role)}{because(self.reason) or ', without a reason'}"
