"""Each action asks first, on a page of its own, so that it works without a script."""

from __future__ import annotations

from baton.client.run import Run
from baton.database.run_outline import read_run_facts
from baton.errors import InterventionRefused, RetryRefused, WorkflowNotFound
from baton.web.actions import ACTIONS, LIMIT_FIELDS, MOST_RUNS, Action, Subject, subject_of
from baton.web.rendering import Page, url
from baton.web.view import View, refuse

MOST_TRIED = 5_000
"""For a larger run it is not said unasked what an action would change: meanwhile no step of the run could end."""
STATES_SHOWN = 20
"""How many of the steps that would come into one state are named."""


async def confirm(view: View) -> Page:
    """Ask whether an action is meant."""
    name, action = _action(view.needed("action"))
    view.require(action.permission)
    subject = subject_of(view.query)
    if len(subject.runs) > MOST_RUNS:
        refuse(400, f"At most {MOST_RUNS} runs are changed at once.")
    if not (subject.runs or subject.queue or subject.schedule):
        refuse(400, "Choose a run first.")
    changes, refusal = None, None
    is_tried, trial = await _is_tried(view, action, subject)
    if is_tried and action.dry_run is not None:
        try:
            changes = await action.dry_run(Run(subject.run, view.engine), subject)
        except (RetryRefused, InterventionRefused) as error:
            # An option of the form may be what is missing.
            refusal = str(error)
    facts = {
        "limit_fields": LIMIT_FIELDS,
        "changes": changes,
        "refusal": refusal,
        "trial": trial,
        "states_shown": STATES_SHOWN,
        "name": name,
        "action": action,
        "question": action.question(subject),
        "subject": subject,
        "back": subject.back,
    }
    return Page("confirm.html", action.button, facts)


async def _is_tried(view: View, action: Action, subject: Subject) -> tuple[bool, str | None]:
    """Return whether the page says what the action would change; if it takes too long, the address that does so."""
    if action.dry_run is None or len(subject.runs) != 1:
        return False, None
    facts = await read_run_facts(view.engine.store.calls, view.engine.schema, Run(subject.run, view.engine).id)
    if facts is None:
        raise WorkflowNotFound(subject.run)
    if facts.total <= MOST_TRIED or view.text("try") is not None:
        return True, None
    return False, url("confirm", action=view.needed("action"), id=subject.run, step=subject.step, **{"try": "yes"})


async def confirmed(view: View) -> Page:
    """Do it, and show what came of it."""
    _, action = _action(view.form.get("action", ""))
    view.require(action.permission)
    done = await action.do(view, subject_of(view.form))
    return Page("done.html", "Done", {"done": done})


def _action(name: str) -> tuple[str, Action]:
    return name, ACTIONS[name] if name in ACTIONS else refuse(400, f"There is no action {name!r}.")
