"""The research assistant, from the plan to the report.

    python -m examples.research.assistant

The workflow needs an approval before it asks the expensive models; here the program gives it. While it waits, nothing
runs: the approval may as well come days later, from another program or from `baton signal`.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from decimal import Decimal

from baton import Baton, Engine, Run, Signal, result_of
from baton.llm import Budget, Estimate, fan_out
from examples.research.model_server import model_server
from examples.research.workers import draft, investigate, merge, plan, pool, report

COUNCIL = ("gpt-5", "claude-opus-4-5", "claude-haiku-4-5")
SECONDS = 60


def research(topic: str) -> Baton:
    """Return the workflow."""
    council = fan_out(
        draft.new(topic, result_of("notes")),
        models=COUNCIL,
        synthesize=merge.new(topic, result_of("answers")),
        quorum=2,
        deadline=timedelta(seconds=SECONDS),
    )
    budget = Budget(cost=Decimal("0.50"), estimates={"*": Estimate(cost=Decimal("0.01"))})
    return (
        Baton.new(
            workflow_name="research",
            models={"plan": "claude-haiku-4-5", "notes": "gpt-5-mini", "*": "claude-opus-4-5"},
            budget=budget,
        )
        .add("plan", plan.new(topic))
        .add("notes", investigate.new(result_of("plan"), []))
        .add("approval", Signal(bool, timeout=timedelta(days=2)), deps=["notes"])
        .add("council", council, deps=["approval"])
        .add("report", report.new(topic, result_of("council")))
    )


async def approve(run: Run) -> None:
    """Read the notes, and approve what comes next."""
    print("\n".join(await run.result("notes", timeout=SECONDS)))
    await run.signal("approval", True)


async def print_costs(run: Run) -> None:
    """Print what each step and each model cost."""
    usage = await run.usage()
    print(f"\n{'':28}{'calls':>6}{'input':>8}{'output':>8}{'cost':>12}")
    for name, used in [*usage.by_step.items(), *usage.by_model.items(), ("total", usage)]:
        print(f"{name:28}{used.calls:6}{used.input_tokens:8}{used.output_tokens:8}{f'${used.cost:.6f}':>12}")


async def main() -> None:
    """Run a research to its end, in this process."""
    with model_server() as address:
        os.environ["RESEARCH_MODELS"] = address
        async with Engine(), pool():
            run = await research("What is a baton?").insert()
            await approve(run)
            print(await run.result("report", timeout=SECONDS))
            await print_costs(run)


if __name__ == "__main__":
    asyncio.run(main())
