"""`baton usage`: what calls of language models used and cost, of one workflow or of all."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any, get_args

from baton.cli.arguments import add_address, add_json, moment_or_ago
from baton.cli.terminal import Line, Piece, print_json, print_lines, table
from baton.cli.text import cut, one_line
from baton.client.engine import Engine
from baton.client.run import Run
from baton.database.model_calls import BudgetState, UsageBy, UsageTotals

HEADINGS = ("calls", "input", "cached", "output", "reasoning", "cost")
WIDEST_NAME = 48
CENTS = Decimal("0.000001")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Print what calls of language models used and cost: of one workflow by step and by model, or of all. Costs are "
        "in US dollars, by the prices at the time of the call; an unknown one is not counted as 0 but named."
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="the workflow's id; left out, all workflows")
    parser.add_argument(
        "--since", type=moment_or_ago, metavar="TIME", help="of all workflows: only calls since this time, or 7d"
    )
    parser.add_argument(
        "--by", choices=get_args(UsageBy), default="model", help="of all workflows: what to sum up by (default: model)"
    )
    add_json(parser)
    add_address(parser)


async def run(arguments: argparse.Namespace) -> None:
    """Print a table for each way to sum up, or JSON."""
    async with Engine(arguments.address, schema=arguments.schema, create=False) as engine:
        if arguments.id is not None:
            named = Run(arguments.id, engine)
            budgets: Sequence[BudgetState]
            of_run, budgets = await named.usage(), await named.budgets()
            total: UsageTotals = of_run
            parts: Mapping[str, Mapping[str, UsageTotals]] = {"step": of_run.by_step, "model": of_run.by_model}
        else:
            of_all = await engine.usage(since=arguments.since, by=arguments.by)
            total, parts, budgets = of_all, {arguments.by: of_all.by}, ()
    if arguments.json:
        by = {f"by_{what}": {name: _as_json(one) for name, one in part.items()} for what, part in parts.items()}
        print_json({**_as_json(total), **by, "budgets": [asdict(budget) for budget in budgets]})
    elif total.calls:
        for what, part in parts.items():
            print_lines([*_table(what, part), []])
        print_lines([*_table("total", {"all": total}), *_remarks(total), *map(_budget, budgets)], overlong="wrap")
    else:
        print("no call of a language model was recorded")


def _as_json(totals: UsageTotals) -> dict[str, Any]:
    facts = {name: value for name, value in asdict(totals).items() if not name.startswith("by")}
    cost = None if totals.cost is None else str(totals.cost)
    return {**facts, "known_cost": str(totals.known_cost), "cost": cost}


def _table(what: str, part: Mapping[str, UsageTotals]) -> Iterator[Line]:
    rows = [(cut(one_line(name), WIDEST_NAME), *_figures(one)) for name, one in part.items()]
    yield from table((what, *HEADINGS), rows, text=(0,))


def _figures(totals: UsageTotals) -> tuple[str, ...]:
    counts = (
        totals.calls,
        totals.input_tokens,
        totals.cached_tokens,
        totals.output_tokens,
        totals.reasoning_tokens,
    )
    return (*(f"{count:,}" for count in counts), _cost(totals))


def _cost(totals: UsageTotals) -> str:
    if totals.unpriced_calls == totals.calls:
        return "unknown"
    known = f"${_shortened(totals.known_cost)}"
    return f"{known} + unknown" if totals.unpriced_calls else known


def _shortened(cost: Decimal) -> str:
    rounded = cost.quantize(CENTS).normalize()
    return f"{rounded:.2f}" if rounded == rounded.quantize(Decimal("0.01")) else f"{rounded:f}"


def _budget(budget: BudgetState) -> Line:
    of = budget.shared or budget.group or "the run"
    since = f" since {budget.period}" if budget.period else ""
    parts = []
    if budget.cost is not None:
        held = f", ${_shortened(budget.reserved_cost)} more reserved" if budget.reserved_cost else ""
        unknown = f", and {budget.unpriced_calls:,} without a price" if budget.unpriced_calls else ""
        parts.append(f"${_shortened(budget.spent_cost)} of ${_shortened(budget.cost)}{held}{unknown}")
    if budget.tokens is not None:
        held = f", {budget.reserved_tokens:,} more reserved" if budget.reserved_tokens else ""
        parts.append(f"{budget.spent_tokens:,} of {budget.tokens:,} tokens{held}")
    return [Piece(f"  budget of {one_line(of)}{since}: {'; '.join(parts)}")]


def _remarks(total: UsageTotals) -> Iterator[Line]:
    if total.unpriced_calls:
        yield [
            Piece(f"  {total.unpriced_calls:,} of {total.calls:,} calls have no price: the sum is not known", "yellow")
        ]
    if total.cached_answers:
        yield [
            Piece(f"  {total.cached_answers:,} of {total.calls:,} answers came from a cache of the application", "dim")
        ]
