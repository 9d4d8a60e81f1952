"""Each action asks first, on a page of its own, so that it works without a script."""

from __future__ import annotations

from baton.client.run import Run
from baton.errors import InterventionRefused, RetryRefused
from baton.web.actions import ACTIONS, MOST_RUNS, Action, subject_of
from baton.web.rendering import Page
from baton.web.view import View, refuse

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
    if action.dry_run is not None and len(subject.runs) == 1:
        try:
            changes = await action.dry_run(Run(subject.run, view.engine), subject)
        except (RetryRefused, InterventionRefused) as error:
            # An option of the form may be what is missing.
            refusal = str(error)
    facts = {
        "changes": changes,
        "refusal": refusal,
        "states_shown": STATES_SHOWN,
        "name": name,
        "action": action,
        "question": action.question(subject),
        "subject": subject,
        "back": subject.back,
    }
    return Page("confirm.html", action.button, facts)


async def confirmed(view: View) -> Page:
    """Do it, and show what came of it."""
    _, action = _action(view.form.get("action", ""))
    view.require(action.permission)
    done = await action.do(view, subject_of(view.form))
    return Page("done.html", "Done", {"done": done})


def _action(name: str) -> tuple[str, Action]:
    return name, ACTIONS[name] if name in ACTIONS else refuse(400, f"There is no action {name!r}.")
