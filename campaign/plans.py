"""The workflows that a campaign inserts: those of the model, some with poison or unstorable steps."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.model.group_plan import TROUBLED as TROUBLED_ACTS
from tests.model.group_plan import Graph, GroupPlan, Node
from tests.model.plan import Act, Plan, StepPlan
from tests.model.random_graphs import CONTESTED, SHAPES, TROUBLED, plan
from tests.model.random_groups import group_plan

POISONED = 0.03
UNSTORABLE = 0.15
"""The share of workflows that have such a step."""
MOST_LOST = 4
"""How many attempts of a step in a workflow with groups may be lost; the model of groups does not count them."""


def campaign_plan(seed: str, number: int) -> Plan | GroupPlan:
    """Return the workflow of this number; a seed and a number always give the same."""
    if number % 5 == 2:
        return groups_for_campaign(group_plan(f"{seed}/{number}"))
    shapes = [shape + trouble for shape in SHAPES for trouble in ("", TROUBLED)]
    match number % 20:
        case 7:
            name = f"{CONTESTED} {number}" if number % 40 == 7 else shapes[number // 40 % len(shapes)]
        case 13:
            name = shapes[number // 20 % len(shapes)]
        case _:
            name = str(number)
    drawn = replace(plan(f"{seed}/{name}"), label=f"{seed}/{number}")
    return for_campaign(drawn, random.Random(f"{seed}/{number}/for_campaign"))


def for_campaign(drawn: Plan, chance: random.Random) -> Plan:
    """Change a plan so that a campaign can verify its run: no processes, no timeouts, now and then a poison step."""
    special: dict[str, Act] = {}
    candidates = [step.name for step in drawn.steps if "hang" not in step.acts]
    if candidates and chance.random() < POISONED:
        special[chance.choice(candidates)] = "poison"
    if candidates and chance.random() < UNSTORABLE:
        special[chance.choice(candidates)] = "unstorable"
    return replace(drawn, steps=tuple(_step_for_campaign(step, special.get(step.name), chance) for step in drawn.steps))


def _step_for_campaign(step: StepPlan, special: Act | None, chance: random.Random) -> StepPlan:
    if special is not None:
        most = chance.choice((1, 2, 2))
        acts: tuple[Act, ...] = (special,) if chance.random() < 0.6 else (special, "return")
        return replace(step, acts=acts, max_attempts=most, worker="act", timeout=None, snoozes=0, rounds=0)
    # The one starts a process for each call; the other seems too slow if its process was stopped
    # meanwhile.
    if step.worker == "act_in_process" or step.timeout is not None:
        return replace(step, worker="act")
    return step


def groups_for_campaign(drawn: GroupPlan) -> GroupPlan:
    """Change a plan with groups so that a campaign can verify its run: each attempt of a step does the same."""

    def of_graph(graph: Graph) -> Graph:
        return replace(graph, steps=tuple(map(of_node, graph.steps)))

    def of_node(node: Node) -> Node:
        acts = tuple(act for act in node.acts if act not in TROUBLED_ACTS and act != "hang") or ("raise",)
        inside = None if node.inside is None else of_graph(node.inside)
        items = tuple(map(of_node, node.items))
        return replace(node, acts=acts, snoozes=0, max_attempts=MOST_LOST + 1, inside=inside, items=items)

    return replace(drawn, whole=of_graph(drawn.whole), cancels=None)
