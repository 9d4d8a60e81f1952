"""What a pool logs of its events: each failed attempt once, with its traceback, and whatever else went wrong."""

from __future__ import annotations

import logging

from baton.database.connections import error_summary
from baton.events import (
    AttemptEnded,
    AttemptStarted,
    CallFailed,
    Event,
    LeaseLost,
    LimitReached,
    OutcomeReplaced,
    OutcomesAnswered,
    PoolDrained,
    PoolDraining,
    PoolRegistered,
    ScheduleFired,
    StepsClaimed,
    UpkeepDone,
    UpkeepFailed,
    WorkflowFailed,
)

log = logging.getLogger("baton.pool")
workflows_log = logging.getLogger("baton.workflows")
attempts_log = logging.getLogger("baton.attempts")


def log_event(event: Event) -> None:
    """Log an event, if it is one to be logged."""
    match event:
        case AttemptEnded():
            _log_end(event)
        case AttemptStarted() | StepsClaimed() | LimitReached():
            # Among the first: with observers, each attempt comes through here, and a case takes 0.06 µs.
            pass
        case OutcomeReplaced() | OutcomesAnswered() | CallFailed():
            _log_outcomes(event)
        case WorkflowFailed():
            _log_failed_workflow(event)
        case UpkeepDone() | UpkeepFailed():
            _log_upkeep(event)
        case ScheduleFired():
            _log_schedule(event)
        case PoolRegistered():
            log.info("worker pool %s (%s) serves %s", event.pool, event.name, dict(event.queues))
        case PoolDraining():
            log.info("worker pool %s drains: %d attempt(s) run", event.pool, event.running)
        case LeaseLost() | PoolDrained():
            # A lost lease is logged where it is noticed, in a thread that no step can block.
            pass


def _log_schedule(event: ScheduleFired) -> None:
    if event.missed:
        log.warning("schedule %r missed %d slot(s): no pool found them in time", event.schedule, event.missed)
    match event.outcome:
        case "fired":
            log.info("schedule %r inserted workflow %r", event.schedule, event.run)
        case "failed":
            log.error("schedule %r could not fire its slot of %s: %s", event.schedule, event.slot, event.error)
        case "skipped":
            log.info("schedule %r skipped its slot of %s: an earlier run is not final", event.schedule, event.slot)
        case _:
            pass


def _log_outcomes(event: OutcomeReplaced | OutcomesAnswered | CallFailed) -> None:
    match event:
        case OutcomeReplaced(step_id, _, kind, error):
            attempts_log.error("the outcome of step id %s cannot be stored, and it is %s: %s", step_id, kind, error)
        case OutcomesAnswered(outcomes):
            for one in outcomes:
                if not one.is_accepted:
                    log.info("an outcome of step id %s was refused: another claim owns the step", one.step_id)
        case CallFailed(call, outcomes, error):
            log.warning(
                "a call to the engine failed and is sent again (%s with %d outcomes): %s",
                *(call, len(outcomes), error_summary(error)),
            )


def _log_end(ended: AttemptEnded) -> None:
    level, what = _judged(ended)
    if not attempts_log.isEnabledFor(level):
        return
    text = "attempt %d of %d of step %r, workflow %r, %s"
    facts: list[object] = [ended.attempt, ended.max_attempts, ended.step, ended.workflow_id, what]
    if ended.error:
        text += ": %s"
        facts.append(ended.error)
    record = attempts_log.makeRecord(
        attempts_log.name, level, __file__, 0, text, tuple(facts), None, "log_event", _extra(ended)
    )
    # The traceback as it is stored, and not the exception: what is redacted, or cannot be written,
    # is not in it.
    record.exc_text = ended.trace and ended.trace.rstrip()
    if ended.exception is not None:
        # For handlers that group by the exception, as Sentry's do. Formatters write the text above.
        record.exc_info = (type(ended.exception), ended.exception, ended.exception.__traceback__)
    attempts_log.handle(record)


def _log_failed_workflow(failed: WorkflowFailed) -> None:
    named = f" ({failed.workflow_name})" if failed.workflow_name else ""
    why = "" if failed.step is None else f": step {failed.step!r}" + (f": {failed.reason}" if failed.reason else "")
    facts = {"workflow_id": failed.workflow_id, "workflow_name": failed.workflow_name, "step": failed.step}
    workflows_log.error("workflow %r%s failed%s", failed.workflow_id, named, why, extra=facts)


def _judged(ended: AttemptEnded) -> tuple[int, str]:
    match ended.kind:
        case "discarded":
            return logging.ERROR, "failed for good, and the step is discarded"
        case "failed" | "lost" if ended.is_last:
            return logging.ERROR, "failed and was the last one, so the step is discarded"
        case "failed" | "lost":
            follows = "" if ended.delay is None else f", the next one follows in {ended.delay:.3g} s"
            if ended.is_requested:
                return logging.INFO, f"asked for another one{follows}"
            return logging.WARNING, f"failed{follows}"
        case "unknown_worker" | "misfit":
            return logging.WARNING, "cannot run here and is put back"
        case "no_budget":
            return logging.INFO, "has to wait for its budget"
        case "given_back":
            return logging.INFO, "is given back"
        case "stopped":
            return logging.INFO, f"was stopped ({ended.cause})"
        case kind:
            return logging.DEBUG, kind


def _extra(ended: AttemptEnded) -> dict[str, object]:
    return {
        "workflow_id": ended.workflow_id,
        "workflow_name": ended.workflow_name,
        "step": ended.step,
        "worker": ended.worker,
        "attempt": ended.attempt,
        "max_attempts": ended.max_attempts,
        "outcome": ended.kind,
        "delay": ended.delay,
    }


def _log_upkeep(event: UpkeepDone | UpkeepFailed) -> None:
    match event:
        case UpkeepFailed(part, failures, error):
            # At the 1st, 2nd, 4th, 8th failure in a row: one that lasts must not fill the log.
            if failures.bit_count() == 1:
                log.warning("upkeep: %s failed, %d time(s) in a row: %s", part, failures, error_summary(error))
        case UpkeepDone():
            if event.died:
                log.warning("%d worker pool(s) died", event.died)
            if event.lost:
                log.warning("%d step(s) of dead worker pools were rescued", event.lost)
            if event.given_back:
                log.warning("%d step(s) whose claim was never answered were given back", event.given_back)
