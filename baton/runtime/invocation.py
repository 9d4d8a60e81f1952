"""From a claim to a call of its worker: in this process, or in another one, to which only strings cross."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import UUID

from msgspec import structs

from baton.core import codec, registry
from baton.core.context import Context, Keep, Leave, outcomes
from baton.core.error_texts import input_is_shown, text_of, trace_of
from baton.core.outcome import MAX_SUMMARY, MAX_TRACE, Outcome, classify, discarded, failed, misfit, storable
from baton.core.references import reads_states
from baton.core.retry import Backoff, stored_backoff
from baton.core.usage.model_map import model_of
from baton.core.worker import AnyWorker
from baton.database.messages import Claimed
from baton.errors import ArgumentsDoNotFit
from baton.runtime.debug_capture import begin_capture
from baton.runtime.plain_calls import call_plain

MAIN = "__main__"
RENAMED_MAIN = "__mp_main__"
"""What a program's file is called where it is imported, as multiprocessing calls it: its guard is not met."""


def prepared(
    worker: AnyWorker,
    claimed: Claimed,
    keep: Keep | None,
    leave: Leave,
    paced: Callable[[], Awaitable[None]] | None = None,
) -> tuple[dict[str, Any], Context | None]:
    """Return the arguments of a claimed step, with results filled in, and its context if the worker takes one.

    `keep` does what `ctx.keep` says; None where that is not possible. `leave` takes what the attempt leaves besides its
    outcome; `paced` returns when it has room for more. Raises: ArgumentsDoNotFit.
    """
    results: dict[str, Any] = {} if claimed.results is None else codec.decode(claimed.results)
    ended = {} if claimed.outcomes is None else outcomes(codec.decode(claimed.outcomes))
    states = {name: outcome.state for name, outcome in ended.items()} if reads_states(claimed.arg_refs) else None
    arguments = worker.bind_json(claimed.args, claimed.arg_refs, results, states)
    extras = {} if claimed.extras is None else codec.decode(claimed.extras)
    debug = begin_capture(claimed, extras, arguments, results, leave)
    if not worker.takes_context:
        return arguments, None
    context = Context(
        workflow_id=claimed.workflow_id,
        workflow_name=claimed.workflow_name,
        step=claimed.step,
        attempt=claimed.attempt,
        max_attempts=claimed.max_attempts,
        results=results,
        outcomes=ended,
        meta=extras.get("meta"),
        generation=claimed.generation,
        kept=extras.get("kept"),
        _model=model_of(claimed.step, claimed.worker, extras.get("models") or {}),
        _worker=claimed.worker,
        _keep=keep,
        _leave=leave,
        _paced=paced,
        _debug=None if debug is None else debug.record,
    )
    return arguments, context


@dataclass(frozen=True, slots=True)
class Origin:
    """Where another process finds a worker."""

    module: str
    """The name under which it is imported there."""
    is_program: bool = False
    """The module is the program that was started: importing it must not begin its work again."""
    file: str | None = None
    """The program's file, if it has no name under which it could be imported."""


def origin_of(worker: AnyWorker) -> Origin | None:
    """Return where another process finds a worker; None if it was defined in no file, as in a notebook."""
    if worker.module != MAIN:
        return Origin(worker.module)
    if worker.origin.source is None or not os.path.isfile(worker.origin.source):  # noqa: PTH113 - asked for each attempt
        return None
    main = sys.modules[MAIN]
    if (name := _imported_name(main)) is not None:
        return Origin(name, is_program=True)
    file = getattr(main, "__file__", None)
    return None if file is None else Origin(RENAMED_MAIN, is_program=True, file=os.path.abspath(file))  # noqa: PTH100


def module_of(worker: AnyWorker) -> str:
    """Return the name under which an executor of the application finds the worker's module."""
    return (_imported_name(sys.modules[MAIN]) if worker.module == MAIN else None) or worker.module


def _imported_name(main: ModuleType) -> str | None:
    """Return the name of a program that was started by `python -m name`; a folder or an archive has none."""
    spec = getattr(main, "__spec__", None)
    return None if spec is None or spec.name == MAIN else str(spec.name)


def undefined_elsewhere(worker: AnyWorker) -> Outcome:
    """Return the outcome of a step whose worker no other process can find."""
    return discarded(
        f"worker {worker.name!r} is defined in a notebook or an interactive session, where another process cannot "
        f"import it: move it into a module (a .py file) and import it from there, or leave out "
        f"executor={worker.executor!r}, and it runs in a thread of this process"
    )


def import_failed(what: str, where: str, error: BaseException, remedy: str) -> Outcome:
    """Return the outcome of an attempt whose worker could not be imported."""
    text = f"{what!r} cannot be imported {where}: {type(error).__name__}: {text_of(error)}; {remedy}"
    return Outcome("failed", storable(text, MAX_SUMMARY), storable(trace_of(error) or "", MAX_TRACE))


def backoff_of(worker: AnyWorker, claimed: Claimed) -> Backoff:
    """Return the policy for a step: that of its job, or else of its worker."""
    stored = None if claimed.extras is None else codec.decode(claimed.extras).get("backoff")
    return worker.backoff if stored is None else stored_backoff(stored)


def claim_to_text(claimed: Claimed) -> str:
    """Return a claim as the JSON that crosses to another process."""
    facts = structs.asdict(claimed) | {"token": str(claimed.token)}
    return json.dumps([facts, input_is_shown.get()], ensure_ascii=True)


def claim_from_text(text: str) -> Claimed:
    """Return the claim that `claim_to_text` wrote; errors that are stored from now on show what they showed there."""
    facts, is_shown = json.loads(text)
    input_is_shown.set(is_shown)
    return Claimed(**facts | {"token": UUID(facts["token"])})


def run_imported(claimed: Claimed, module: str, leave: Leave) -> Outcome:
    """Run one attempt in a process that has imported its worker's module. Raises nothing that the worker raises."""
    worker = registry.get(claimed.worker)
    if worker is None:
        return discarded(
            f"importing {module!r} in another process does not define worker {claimed.worker!r}: define it at the top "
            f"of a module, outside of functions and of 'if __name__ == \"__main__\"'"
        )
    try:
        arguments, context = prepared(worker, claimed, None, leave)
        return classify(worker, call_plain(worker, arguments, context))
    except ArgumentsDoNotFit as error:
        return misfit(error)
    except BaseException as error:  # noqa: BLE001 - a worker's sys.exit() must not end the process it shares
        return failed(error, worker.fatal)
