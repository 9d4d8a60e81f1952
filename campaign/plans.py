"""Which workflows a campaign inserts: those of the model, with poison and rot in some, and what suits a rough sea."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.model.group_plan import TROUBLED as TROUBLED_DEEDS
from tests.model.group_plan import Family, Growth, Node
from tests.model.plan import Act, Plan, StepPlan
from tests.model.random_graphs import CONTESTED, SHAPES, TROUBLED, plan
from tests.model.random_groups import growth

POISONED = 0.03
ROTTEN = 0.15
"""The share of workflows that have such a step."""
MOST_LOST = 4
"""So many attempts of a step in a workflow with groups may be lost, which the model of these does not count."""


def campaign_plan(seed: str, number: int) -> Plan | Growth:
    """Return the workflow of this number; a seed and a number always give the same."""
    if number % 5 == 2:
        return weathered(growth(f"{seed}/{number}"))
    shapes = [shape + trouble for shape in SHAPES for trouble in ("", TROUBLED)]
    match number % 20:
        case 7:
            name = f"{CONTESTED} {number}" if number % 40 == 7 else shapes[number // 40 % len(shapes)]
        case 13:
            name = shapes[number // 20 % len(shapes)]
        case _:
            name = str(number)
    drawn = replace(plan(f"{seed}/{name}"), label=f"{seed}/{number}")
    return hardened(drawn, random.Random(f"{seed}/{number}/hardened"))


def hardened(drawn: Plan, chance: random.Random) -> Plan:
    """Return the workflow as a campaign can judge it, with poison and rot in it now and then."""
    special: dict[str, Act] = {}
    candidates = [step.name for step in drawn.steps if "hang" not in step.acts]
    if candidates and chance.random() < POISONED:
        special[chance.choice(candidates)] = "poison"
    if candidates and chance.random() < ROTTEN:
        special[chance.choice(candidates)] = "rot"
    return replace(drawn, steps=tuple(_hardened(step, special.get(step.name), chance) for step in drawn.steps))


def _hardened(step: StepPlan, special: Act | None, chance: random.Random) -> StepPlan:
    if special is not None:
        most = chance.choice((1, 2, 2))
        acts: tuple[Act, ...] = (special,) if chance.random() < 0.6 else (special, "return")
        return replace(step, acts=acts, max_attempts=most, worker="act", timeout=None, snoozes=0)
    # A process is started for each call of the one, and a thread whose process was stopped meanwhile seems too slow.
    if step.worker == "act_in_process" or step.timeout is not None:
        return replace(step, worker="act")
    return step


def weathered(drawn: Growth) -> Growth:
    """Return a workflow with groups as a campaign can judge it: each attempt of a step does the same."""

    def of_family(family: Family) -> Family:
        return replace(family, steps=tuple(map(of_node, family.steps)))

    def of_node(node: Node) -> Node:
        deeds = tuple(deed for deed in node.deeds if deed not in TROUBLED_DEEDS and deed != "hang") or ("raise",)
        inside = None if node.inside is None else of_family(node.inside)
        items = tuple(map(of_node, node.items))
        return replace(node, deeds=deeds, snoozes=0, max_attempts=MOST_LOST + 1, inside=inside, items=items)

    return replace(drawn, whole=of_family(drawn.whole), cancels=None)
