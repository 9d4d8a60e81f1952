"""Tests of workflows on a real PostgreSQL, with the claim and the settle that ship, and without waiting.

With pytest nothing has to be set up: the fixtures `engine`, `drain`, `stub`, `crash_before`, `crash_after`,
`runs_twice`, `inserted` and `context_for` are there where Baton is installed (see `baton.testing.plugin`).
"""

import typing

if typing.TYPE_CHECKING:
    from baton.testing.contexts import context_for
    from baton.testing.drain import DrainResult
    from baton.testing.errors import (
        CannotRun,
        DrainNeverEnds,
        HarnessClosed,
        NeverReached,
        NotATestDatabase,
        NotIdempotent,
        StepHangs,
        WorkerNotRegistered,
    )
    from baton.testing.harness import Harness
    from baton.testing.inserted_jobs import InsertedJob

__all__ = [
    "CannotRun",
    "DrainNeverEnds",
    "DrainResult",
    "Harness",
    "HarnessClosed",
    "InsertedJob",
    "NeverReached",
    "NotATestDatabase",
    "NotIdempotent",
    "StepHangs",
    "WorkerNotRegistered",
    "context_for",
]

# pytest imports this package wherever Baton is installed. What a test needs is imported when it
# asks for it.
_MODULES = {
    "Harness": "harness",
    "DrainResult": "drain",
    "InsertedJob": "inserted_jobs",
    "context_for": "contexts",
}

# A type checker that saw it would take every misspelt name for one of these.
if not typing.TYPE_CHECKING:

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module 'baton.testing' has no attribute {name!r}")
        from importlib import import_module

        module = import_module(f"baton.testing.{_MODULES.get(name, 'errors')}")
        found = globals()[name] = getattr(module, name)
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
