"""What calls of language models used and cost, summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from baton.core.durations import seconds
from baton.core.options import checked_time
from baton.database.migrate import quoted
from baton.errors import InvalidOption

if TYPE_CHECKING:
    from baton.database.connections import Calls, Record

UsageBy: TypeAlias = Literal["model", "provider", "workflow", "run", "step", "worker", "day"]
"""By what `Engine.usage` adds up."""
_GROUPS: Mapping[UsageBy, str] = {
    "model": "coalesce(c.model, '(unknown)')",
    "provider": "coalesce(c.provider, '(unknown)')",
    "workflow": "coalesce(c.run_name, '(unnamed)')",
    "run": "c.run_id",
    "step": "c.step",
    "worker": "c.worker",
    "day": "to_char(c.at at time zone 'UTC', 'YYYY-MM-DD')",
}
_SUMS = """count(*) as calls,
               count(*) filter (where c.is_cached) as cached_answers,
               coalesce(sum(c.input_tokens), 0)::bigint as input_tokens,
               coalesce(sum(c.cached_tokens), 0)::bigint as cached_tokens,
               coalesce(sum(c.cache_written_tokens), 0)::bigint as cache_written_tokens,
               coalesce(sum(c.output_tokens), 0)::bigint as output_tokens,
               coalesce(sum(c.reasoning_tokens), 0)::bigint as reasoning_tokens,
               coalesce(sum(c.cost), 0) as known_cost,
               count(*) filter (where c.cost is null) as unpriced_calls"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """What several calls of language models used and cost together, those of failed attempts among them."""

    calls: int = 0
    cached_answers: int = 0
    """How many of the calls were answered from a cache of the application, and cost nothing."""
    input_tokens: int = 0
    """All of them, with those read from a cache of the provider or written to it."""
    cached_tokens: int = 0
    cache_written_tokens: int = 0
    output_tokens: int = 0
    """All of them, with those of the reasoning."""
    reasoning_tokens: int = 0
    known_cost: Decimal = Decimal(0)
    """In US dollars, of the calls with a price."""
    unpriced_calls: int = 0
    """How many calls have no price."""

    @property
    def cost(self) -> Decimal | None:
        """In US dollars; None if a call has no price: then `known_cost` is what the others cost."""
        return None if self.unpriced_calls else self.known_cost

    @property
    def tokens(self) -> int:
        """Of input and output."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUsage(UsageTotals):
    """What the calls of one run used and cost."""

    by_step: Mapping[str, UsageTotals] = field(default_factory=dict)
    by_model: Mapping[str, UsageTotals] = field(default_factory=dict)
    """By the model that answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUsage(UsageTotals):
    """What the calls of many runs used and cost."""

    by: Mapping[str, UsageTotals] = field(default_factory=dict)
    """By what was asked for, the most expensive first."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How much of a budget is spent and reserved."""

    group: str
    """The group whose steps it is for; empty for all."""
    shared: str | None
    """`key ...` or `tag ...`, of one that runs share."""
    period: str
    """When its hour, day or month began, in its time zone; empty if it does not begin anew."""
    cost: Decimal | None
    """The limit in US dollars, raised if it was; None for none."""
    tokens: int | None
    """The limit in tokens."""
    spent_cost: Decimal
    """A call without a price counts as what its attempt had reserved."""
    spent_tokens: int
    reserved_cost: Decimal
    """By attempts that run, apart from what they have spent of it."""
    reserved_tokens: int
    unpriced_calls: int
    """Calls without a price and without a reservation that could stand for it."""


async def read_budgets(calls: Calls, schema: str, workflow_id: str) -> Sequence[BudgetState]:
    """Return the budgets of a workflow as they are now."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select b.scope, b.key, n.period, greatest(b.cost, s.cost) as cost, greatest(b.tokens, s.tokens) as tokens,
               coalesce(s.spent_cost, 0) as spent_cost, coalesce(s.spent_tokens, 0) as spent_tokens,
               coalesce(h.cost, 0) as reserved_cost, coalesce(h.tokens, 0)::bigint as reserved_tokens,
               coalesce(s.unpriced, 0) as unpriced
          from {prefix}.workflows w
         cross join lateral json_to_recordset(w.budgets) as b(
                   scope text, key text, per text, timezone text, cost numeric, tokens bigint
               )
         cross join lateral (
                   select coalesce(b.key, 'run ' || w.key || ' ' || b.scope) as name,
                          coalesce(
                              to_char(
                                  date_trunc(b.per, clock_timestamp() at time zone coalesce(b.timezone, 'UTC')),
                                  'YYYY-MM-DD HH24:MI'
                              ), ''
                          ) as period
               ) as n
          left join {prefix}.budgets s on s.name = n.name and s.period = n.period
         cross join lateral (
                   select sum(greatest(0, r.cost - r.spent_cost)) as cost,
                          sum(greatest(0, r.tokens - r.spent_tokens)) as tokens
                     from {prefix}.budget_reservations r
                     join {prefix}.queue q on q.step_id = r.step_id and q.token = r.token
                    where r.name = n.name
                      and r.period = n.period
               ) as h
         where w.id = $1
         order by b.scope, b.key nulls first
        """,
        workflow_id,
    )
    return [BudgetState(*row) for row in rows]


async def read_run_usage(calls: Calls, schema: str, workflow_id: str) -> RunUsage | None:
    """Return what the calls of a workflow used; None if there is no such workflow."""
    prefix = quoted(schema)
    rows = await calls.fetch(
        f"""
        select w.key, u.*
          from {prefix}.workflows w
          left join lateral (
                   select grouping(c.step) = 0 as is_step, grouping(c.model) = 0 as is_model,
                          coalesce(c.step, c.model, '(unknown)') as name, min(c.at) as first_at,
                          {_SUMS}
                     from {prefix}.model_calls c
                    where c.step_id >= {prefix}.step_of(w.key, 0) and c.step_id < {prefix}.step_of(w.key + 1, 0)
                    group by grouping sets ((), (c.step), (c.model))
               ) as u on true
         where w.id = $1
         order by u.first_at, u.name
        """,
        workflow_id,
    )
    if not rows:
        return None
    return RunUsage(
        **next((_sums(row) for row in rows if not row["is_step"] and not row["is_model"]), {}),
        by_step={row["name"]: UsageTotals(**_sums(row)) for row in rows if row["is_step"]},
        by_model={row["name"]: UsageTotals(**_sums(row)) for row in rows if row["is_model"]},
    )


async def read_engine_usage(calls: Calls, schema: str, since: datetime | timedelta | None, by: UsageBy) -> EngineUsage:
    """Return what all calls used. Raises `InvalidOption`."""
    if by not in _GROUPS:
        raise InvalidOption("by", by, f"it is one of {', '.join(_GROUPS)}")
    rows = await calls.fetch(
        f"""
        select {_GROUPS[by]} as name,
               {_SUMS}
          from {quoted(schema)}.model_calls c
         where c.at >= coalesce(
                   clock_timestamp() - interval '1 second' * $1::double precision, $2::timestamptz, '-infinity'
               )
         group by 1
         order by known_cost desc, calls desc, 1
        """,
        seconds("since", since) if isinstance(since, timedelta) else None,
        None if since is None or isinstance(since, timedelta) else checked_time("since", since),
    )
    groups = {row["name"]: UsageTotals(**_sums(row)) for row in rows}
    return EngineUsage(**_added(list(groups.values())), by=groups)


_FIELDS = tuple(UsageTotals.__dataclass_fields__)


def _sums(row: Record) -> dict[str, Any]:
    return {name: row[name] for name in _FIELDS}


def _added(totals: Sequence[UsageTotals]) -> dict[str, Any]:
    return {name: sum(getattr(one, name) for one in totals) for name in _FIELDS} | {
        "known_cost": sum((one.known_cost for one in totals), Decimal(0))
    }
