"""From a claim to a call; and what runs elsewhere, in a process of the pool or wherever an executor leads."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from msgspec import structs

from baton.core import codec, registry
from baton.core.context import Context, outcomes
from baton.core.outcome import MAX_SUMMARY, Outcome, classify, discarded, failed, misfit, storable
from baton.core.outcome import to_text as outcome_to_text
from baton.core.references import reads_states
from baton.core.registry import Registered
from baton.database.messages import Claimed
from baton.errors import ArgumentsDoNotFit


def prepared(worker: Registered, claimed: Claimed) -> tuple[dict[str, Any], Context | None]:
    """Return the arguments of a claimed step, with results filled in, and its context if the worker takes one.

    Raises: ArgumentsDoNotFit.
    """
    results: dict[str, Any] = {} if claimed.results is None else codec.decode(claimed.results)
    told = {} if claimed.outcomes is None else outcomes(codec.decode(claimed.outcomes))
    states = {name: outcome.state for name, outcome in told.items()} if reads_states(claimed.arg_refs) else None
    arguments = worker.bind_json(claimed.args, claimed.arg_refs, results, states)
    if not worker.takes_context:
        return arguments, None
    context = Context(
        workflow_id=claimed.workflow_id,
        workflow_name=claimed.workflow_name,
        step=claimed.step,
        attempt=claimed.attempt,
        max_attempts=claimed.max_attempts,
        results=results,
        outcomes=told,
        generation=claimed.generation,
    )
    return arguments, context


def to_text(claimed: Claimed) -> str:
    """Return a claim as the JSON that crosses to the other process."""
    return json.dumps(structs.asdict(claimed) | {"token": str(claimed.token)}, ensure_ascii=True)


def run(module: str, claimed: str) -> str:
    """Run one attempt and return its outcome as JSON. Raises nothing that the worker raises."""
    # The terminal's Ctrl-C goes to the whole group; what becomes of this attempt is for the pool to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    facts = json.loads(claimed)
    with _pipes_out_of_reach():
        outcome = _attempt(module, Claimed(**facts | {"token": UUID(facts["token"])}))
    return outcome_to_text(outcome)


def run_elsewhere(module: str, claimed: str) -> str:
    """As `run`, in a thread or process that belongs to somebody else, whose streams are left alone."""
    facts = json.loads(claimed)
    try:
        with _uninterrupted():
            outcome = _attempt(module, Claimed(**facts | {"token": UUID(facts["token"])}))
    except Exception as error:  # noqa: BLE001 - the import runs code of the user's, whose error may not travel
        text = f"{module!r} cannot be imported where the executor runs: {type(error).__name__}: {error}"
        outcome = Outcome("failed", storable(f"{text}; install it there, with all it imports", MAX_SUMMARY))
    return outcome_to_text(outcome)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """In a process of a pool of processes, let the terminal's Ctrl-C pass by; see `run`."""
    if multiprocessing.parent_process() is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _pipes_out_of_reach() -> Iterator[None]:
    """Lead this process's standard input and output elsewhere: they are its talk with the pool.

    What a program that the worker starts prints would be taken for an answer, and what it reads would be lost.
    """
    kept = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept[0], 0)
        os.dup2(kept[1], 1)
        for descriptor in (*kept, nothing):
            os.close(descriptor)


def _attempt(module: str, claimed: Claimed) -> Outcome:
    importlib.import_module(module)
    worker = registry.get(claimed.worker)
    if worker is None:
        why = f"importing {module!r} in another process does not define it; define it at the top of the module"
        return discarded(ArgumentsDoNotFit(claimed.worker, why))
    try:
        arguments, context = prepared(worker, claimed)
        return classify(worker, worker.call(arguments, context), claimed.attempt)
    except ArgumentsDoNotFit as error:
        return misfit(error)
    except BaseException as error:  # noqa: BLE001 - a worker's sys.exit() must not end the process it shares
        return failed(error, claimed.attempt, worker.backoff)


def importable(module: str) -> str:
    """Return a name under which another process finds the module; the main one by its real name, if it has one."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if module == "__main__" and spec is not None else module
