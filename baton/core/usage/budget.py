"""`Budget`: how much the calls of language models of a run may cost, or of all runs that share it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from baton.core.names import checked_text
from baton.core.usage.call_usage import checked_cost
from baton.core.usage.model_map import ANY, checked_names, model_of
from baton.errors import InvalidName, InvalidOption
from baton.errors.language_models import InvalidUsage

Period: TypeAlias = Literal["hour", "day", "month"]
OnExceeded: TypeAlias = Literal["fail", "wait"]
MOST_BUDGETS = 10
UNDO = "[undo]"
MOST_TOKENS = 2**53
_NUMBERS = re.compile(r"\[[^\]]*\]")


class Estimate(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one attempt of a step is expected to use; it is reserved before the attempt."""

    cost: Decimal = Decimal(0)
    """In US dollars."""
    tokens: int = 0
    """Of input and output."""


class Budget(Struct, frozen=True, kw_only=True):
    """How much calls of language models may cost, for `Baton.new(budget=...)`.

    Before each attempt of a step its estimate is reserved, if it still fits; when the attempt ends, what it recorded
    takes the estimate's place. So the sum exceeds the limit by no more than what estimates were too low.
    """

    cost: Decimal | None = None
    """In US dollars; None for no limit."""
    tokens: int | None = None
    """Of input and output; None for no limit."""
    estimates: Mapping[str, Estimate] | None = None
    """By the name of the step, of a group around it, of its worker, or "*" for all others. A step for which nothing is
    named reserves nothing and is never held up. Left out, every step starts as long as something is left."""
    on_exceeded: OnExceeded = "fail"
    """What becomes of a step whose estimate does not fit: it is discarded, or waits until the budget is raised, or
    begins anew."""
    key: str | None = None
    """The budget is shared by all runs that name the same key; None: it is that of this run alone."""
    tag: str | None = None
    """The budget is shared by all runs that have the same value for this tag."""
    per: Period | None = None
    """A shared budget begins anew with each of these."""
    timezone: str = "UTC"
    """IANA name of the time zone in which they begin."""


class StoredBudget(Struct, frozen=True, omit_defaults=True):
    """A budget as it is stored with a workflow."""

    scope: str
    """The group whose steps it is for; empty for all."""
    cost: str | None = None
    tokens: int | None = None
    estimates: Mapping[str, Estimate] = {}
    on_exceeded: OnExceeded = "fail"
    key: str | None = None
    per: Period | None = None
    timezone: str = "UTC"


def checked_budgets(budgets: object) -> tuple[Budget, ...]:
    """Return the budgets of a workflow. Raises `InvalidOption`."""
    given = [budgets] if isinstance(budgets, Budget) else budgets
    if not isinstance(given, Sequence) or isinstance(given, str) or not all(isinstance(one, Budget) for one in given):
        raise InvalidOption("budget", budgets, "it is a Budget(...), or a list of them")
    if len(given) > MOST_BUDGETS:
        raise InvalidOption("budget", f"{len(given)} budgets", f"a workflow has at most {MOST_BUDGETS}")
    return tuple([_checked(one) for one in given])


def _checked(budget: Budget) -> Budget:
    if (why := _fault(budget)) is not None:
        raise InvalidOption("budget", budget, why)
    cost = None if budget.cost is None else _cost(budget.cost, budget)
    _check_tokens(budget.tokens, budget)
    for name in (budget.key, budget.tag):
        if name is not None:
            try:
                checked_text("budget", name)
            except InvalidName as error:
                raise InvalidOption("budget", budget, error.why) from None
    estimates = {ANY: Estimate()} if budget.estimates is None else _estimates(budget, cost)
    return msgspec.structs.replace(budget, cost=cost, estimates=estimates)


def _fault(budget: Budget) -> str | None:
    """Return why the fields of a budget do not go together; None if they do."""
    faults = (
        (budget.cost is None and budget.tokens is None, "it has no limit; give cost=, in US dollars, or tokens="),
        (budget.on_exceeded not in get_args(OnExceeded), "on_exceeded must be 'fail' or 'wait'"),
        (budget.per not in (None, *get_args(Period)), "per must be 'hour', 'day' or 'month'"),
        (budget.key is not None and budget.tag is not None, "it has both key and tag; give one of the two"),
        (
            budget.per is not None and budget.key is None and budget.tag is None,
            "per= is for a budget that runs share; give key= or tag=",
        ),
        (
            not _is_time_zone(budget.timezone),
            f"there is no time zone {budget.timezone!r}; write it as 'Europe/Berlin'",
        ),
    )
    return next((why for is_so, why in faults if is_so), None)


def _is_time_zone(name: object) -> bool:
    from zoneinfo import ZoneInfo

    try:
        return isinstance(name, str) and ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def _estimates(budget: Budget, cost: Decimal | None) -> dict[str, Estimate]:
    checked: dict[str, Estimate] = {}
    for name, given in checked_names("budget", budget.estimates, Estimate).items():
        estimate = Estimate(cost=_cost(given.cost, budget), tokens=given.tokens)
        _check_tokens(estimate.tokens, budget)
        if (cost is not None and estimate.cost > cost) or (
            budget.tokens is not None and estimate.tokens > budget.tokens
        ):
            why = f"it is smaller than the estimate for {name!r}, so that no attempt could ever begin"
            raise InvalidOption("budget", budget, why)
        checked[name] = estimate
    return checked


def _cost(cost: object, budget: Budget) -> Decimal:
    try:
        return checked_cost("its cost", cost)
    except InvalidUsage as error:
        raise InvalidOption("budget", budget, str(error)) from None


def _check_tokens(tokens: object, budget: Budget) -> None:
    if tokens is not None and (type(tokens) is not int or not 0 <= tokens <= MOST_TOKENS):
        raise InvalidOption("budget", budget, f"its tokens must be an integer of at least 0, not {tokens!r}")


def stored_budgets(budgets: Sequence[Budget], scope: str, tags: Mapping[str, str]) -> list[StoredBudget]:
    """Return budgets of a workflow or group as they are stored. Raises `InvalidOption` for a tag that is missing."""
    stored = []
    for budget in budgets:
        key = None if budget.key is None else f"key {budget.key}"
        if budget.tag is not None:
            if budget.tag not in tags:
                why = f"the workflow has no tag {budget.tag!r}; give it with tags={{{budget.tag!r}: ...}}"
                raise InvalidOption("budget", budget, why)
            key = f"tag {budget.tag}={tags[budget.tag]}"
        stored.append(
            StoredBudget(
                _NUMBERS.sub("", scope),
                None if budget.cost is None else str(budget.cost),
                budget.tokens,
                budget.estimates or {},
                budget.on_exceeded,
                key,
                budget.per,
                budget.timezone,
            )
        )
    return stored


def reservations(step: str, worker: str, budgets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what an attempt of a step has to reserve, for sql/functions/reserve_budgets.sql; empty for nothing."""
    if step.endswith(UNDO):
        # What a step did is taken back, whatever that costs.
        return []
    plain = _NUMBERS.sub("", step)
    wanted = []
    for budget in budgets:
        scope = budget["scope"]
        if scope and not plain.startswith(f"{scope}/"):
            continue
        named = {name: name for name in budget.get("estimates", {})}
        if (name := model_of(plain, worker, {scope: named})) is not None:
            estimate = budget["estimates"][name]
            facts = {field: value for field, value in budget.items() if field != "estimates"}
            need = {"need_cost": estimate.get("cost", "0"), "need_tokens": estimate.get("tokens", 0)}
            wanted.append({**facts, **need})
    return wanted
