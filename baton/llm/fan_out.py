"""`fan_out`: ask several models the same thing, and let one step make one answer of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any, Literal

from baton.core.compatibility import can_fit, type_name
from baton.core.conditions import state_of
from baton.core.context import Context
from baton.core.durations import Seconds
from baton.core.job import Job
from baton.core.keywords import suggests_keywords
from baton.core.references import result_of
from baton.core.returned import Fail
from baton.core.worker import worker
from baton.core.workflow import Baton
from baton.errors import InvalidOption

ANSWERS, SYNTHESIS, OUTCOME = "answers", "synthesis", "outcome"
_OWN = (ANSWERS, SYNTHESIS, OUTCOME)
_RESERVED = str.maketrans("/[]", ":()")


@dataclass(frozen=True, slots=True)
class FanOutcome:
    """The result of a fan-out: the answer, and who took part in it."""

    answer: Any
    """The result of the synthesis; without one the answers by member."""
    used: list[str]
    """The members whose answers were there, in the order given."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each of the others gave none, by member."""

    @property
    def is_degraded(self) -> bool:
        """Whether a member is missing."""
        return bool(self.failed)


@suggests_keywords
def fan_out(
    job: Job,
    *,
    models: Sequence[str] | Mapping[str, str],
    synthesize: Job | None = None,
    quorum: int | None = None,
    deadline: Seconds | None = None,
    rest: Literal["cancel"] | None = None,
) -> Baton:
    """Return a workflow that runs a job once for each model, and lets another job make one answer of the answers.

    Add it to a workflow: `flow.add("council", fan_out(ask.new(question), models=["gpt-5", "claude-opus-4-5"],
    synthesize=merge.new(result_of("answers")), quorum=1, deadline=120))`. Its result is a `FanOutcome`: the answer, the
    members used, and why each of the others gave none, so that a degraded answer is not taken for a whole one.

    Args:
        job: what each member does; its worker reads its model as `ctx.model`.
        models: the models, or models by what their members are called.
        synthesize: gets the answers where it has `result_of("answers")`: a `dict` by member, or a `list` if that is
            how the parameter is annotated. Left out, the result has the answers by member.
        quorum: how many members have to answer; with fewer the fan-out fails, and no synthesis runs. Left out, all.
        deadline: the time from its release that each member has, over all its attempts; then it has given no answer.
        rest: "cancel" goes on as soon as the quorum has answered, and cancels the others. Left out, every member is
            waited for.

    Raises: InvalidOption; also if the synthesis takes another type than the members give.
    """
    members = _members(models)
    needed = _checked_quorum(quorum, len(members))
    _check_rest(rest)
    _check_job(job)
    steps = _step_names(members)
    as_list = synthesize is not None and _takes_list(synthesize, job)
    flow = Baton.new(models={steps[member]: model for member, model in members.items()})
    for member in members:
        flow.add(steps[member], job if deadline is None else job.with_options(deadline=deadline))
    given = {member: result_of(step) for member, step in steps.items()}
    collected = collect.new(given, steps, needed, as_list)
    if rest is None:
        flow.add(ANSWERS, collected, ignore_cancelled=True, ignore_discarded=True, ignore_skipped=True)
    else:
        flow.add(ANSWERS, collected, needs=needed, rest=rest)
    if synthesize is not None:
        flow.add(SYNTHESIS, synthesize)
    answer = result_of(ANSWERS if synthesize is None else SYNTHESIS)
    states = {member: state_of(step) for member, step in steps.items()}
    return flow.add(OUTCOME, conclude.new(answer, states, steps), deps=[ANSWERS]).returns(OUTCOME)


@worker(name="baton.llm.answers", max_attempts=5)
async def collect(ctx: Context, given: dict[str, Any], steps: dict[str, str], quorum: int, as_list: bool) -> Any:
    """Hand the answers on if there are enough of them."""
    if len(given) < quorum:
        missing = "; ".join(f"{member}: {_why(ctx, step)}" for member, step in steps.items() if member not in given)
        return Fail(f"{len(given)} of {len(steps)} members answered, and the quorum is {quorum}: {missing}")
    answers = {member: given[member] for member in steps if member in given}
    return list(answers.values()) if as_list else answers


@worker(name="baton.llm.outcome", max_attempts=5)
async def conclude(ctx: Context, answer: Any, states: dict[str, str], steps: dict[str, str]) -> FanOutcome:
    """Say who took part in the answer."""
    used = [member for member in steps if states[member] == "completed"]
    failed = {member: _why(ctx, step) for member, step in steps.items() if states[member] != "completed"}
    return FanOutcome(answer, used, failed)


def _why(ctx: Context, step: str) -> str:
    outcome = ctx.outcomes.get(step)
    if outcome is None:
        return "it has not ended"
    return f"{outcome.state}: {outcome.reason}" if outcome.reason else outcome.state


def _members(models: object) -> dict[str, str]:
    """Return the model of each member by its name. A model that is given several times has several members."""
    if isinstance(models, Mapping):
        return _required({str(name): model for name, model in models.items()}, models)
    if isinstance(models, str) or not isinstance(models, Sequence):
        why = "it is a list of models, as in ['gpt-5', 'claude-opus-4-5'], or models by member"
        raise InvalidOption("models", models, why)
    members: dict[str, str] = {}
    for model in models:
        name, number = str(model), 1
        while name in members:
            number += 1
            name = f"{model} ({number})"
        members[name] = model
    return _required(members, models)


def _required(members: dict[str, str], given: object) -> dict[str, str]:
    if not members:
        raise InvalidOption("models", given, "a fan-out has at least one member")
    return members


def _step_names(members: Mapping[str, str]) -> dict[str, str]:
    """Return the step of each member: its name, without what names of steps may not have."""
    steps: dict[str, str] = {}
    for member in members:
        plain = member.translate(_RESERVED)
        name, number = plain, 1
        while name in steps.values() or name in _OWN:
            number += 1
            name = f"{plain} ({number})"
        steps[member] = name
    return steps


def _checked_quorum(quorum: object, members: int) -> int:
    if quorum is None:
        return members
    if type(quorum) is not int or quorum < 1:
        raise InvalidOption("quorum", quorum, "it must be a number of members, at least 1")
    if quorum > members:
        raise InvalidOption("quorum", quorum, f"there are {members} members, so that it can never be reached")
    return quorum


def _check_job(job: object) -> None:
    if not isinstance(job, Job) or job.arguments.each:
        why = "it must be a job, as in ask.new(question), and no map: each member runs it once"
        raise InvalidOption("job", job, why)


def _check_rest(rest: object) -> None:
    if rest not in (None, "cancel"):
        raise InvalidOption("rest", rest, "it must be 'cancel', or be left out: then every member is waited for")


def _takes_list(synthesize: object, job: Job) -> bool:
    """Return whether the synthesis takes the answers as a list. Raises `InvalidOption` if it cannot take them."""
    if not isinstance(synthesize, Job):
        raise InvalidOption("synthesize", synthesize, "it must be a job, as in merge.new(result_of('answers'))")
    places = [placed.path for placed in synthesize.arguments.placed if placed.step == ANSWERS]
    if not places:
        why = "none of its arguments is result_of('answers'), which stands for what the members answered"
        raise InvalidOption("synthesize", synthesize.worker.name, why)
    parameters = [str(path[0]) for path in places if len(path) == 1]
    given = job.worker.result_type
    by_member, in_list = GenericAlias(dict, (str, given)), GenericAlias(list, (given,))
    kinds = {parameter: synthesize.worker.parameter_type(parameter) for parameter in parameters}
    for parameter, wanted in kinds.items():
        if not can_fit(by_member, wanted) and not can_fit(in_list, wanted):
            why = (
                f"its argument {parameter!r} takes {type_name(wanted)}, and the members give {type_name(given)}: "
                f"annotate it as {type_name(by_member)} by member, or as {type_name(in_list)}"
            )
            raise InvalidOption("synthesize", synthesize.worker.name, why)
    return any(not can_fit(by_member, wanted) for wanted in kinds.values())
