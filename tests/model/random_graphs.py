"""Draws workflows: random graphs, and shapes that have names. A seed always draws the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.model.plan import Act, Cancellation, Flags, Flavour, Plan, StepPlan

Edges = Mapping[str, Sequence[str]]
"""The dependencies of each step by name, a step after its dependencies."""

TROUBLED = ", troubled"
CONTESTED = "contested"
CONTESTED_PLANS = 10
CONTESTED_WIDTH = 50

TIMEOUT = 1.0
"""Seconds after which an attempt that overruns is stopped. On a busy machine the other attempts of that step, which end
at once, take a fifth of a second and more."""

_FAILURES: Sequence[Act] = ("raise", "raise", "raise", "raise", "raise", "retry", "retry", "retry", "overrun")
_WORKERS = ("act", "act", "act", "act_in_thread", "act_plainly")
_FLAVOURS: Sequence[Flavour] = ("digest", "digest", "none", "whole", "broken", "nested")


def plans(seed: str, count: int) -> list[Plan]:
    """Some contested workflows, `count` random ones, and each shape twice; or only the one whose label is the seed."""
    if "/" in seed:
        return [plan(seed)]
    # The contested ones first: their steps end together only while the pools have nothing else to
    # do.
    labels = [f"{seed}/{CONTESTED} {number}" for number in range(CONTESTED_PLANS)]
    labels += [f"{seed}/{number}" for number in range(count)]
    labels += [f"{seed}/{shape}{trouble}" for shape in SHAPES for trouble in ("", TROUBLED)]
    return [plan(label) for label in labels]


def plan(label: str) -> Plan:
    """The workflow of this label: "7/12" is a random one, "7/chain" has the named shape and no step of it fails for
    good, of "7/chain, troubled" some do."""
    rng = random.Random(label)
    name = label.partition("/")[2]
    if name.startswith(CONTESTED):
        return contested(rng, label)
    if not name.isdigit():
        edges = SHAPES[name.removesuffix(TROUBLED)]
        return planned(rng, label, edges, trouble=0.15 if name.endswith(TROUBLED) else 0.0)
    drawn = planned(rng, label, random_edges(rng), rng.choice((0.0, 0.1, 0.25, 0.5)))
    return with_cancellation(rng, drawn) if rng.random() < 0.12 else drawn


def random_edges(rng: random.Random) -> Edges:
    """A graph of 1 to 40 steps, thin or dense, deep or wide, in one part or several."""
    count = rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 40))
    reach = rng.choice((2, 4, count))
    density = rng.choice((0.1, 0.3, 0.6))
    names = [_name(rng, number) for number in range(count)]
    return {
        name: [near for near in names[max(0, number - reach) : number] if rng.random() < density]
        for number, name in enumerate(names)
    }


def _name(rng: random.Random, number: int) -> str:
    return rng.choice(("step {}", "step {}", "étape {}", "шаг-{}", 'it\'s "{}" \\', "%s {} %I", "{}")).format(number)


def planned(rng: random.Random, label: str, edges: Edges, trouble: float) -> Plan:
    """Give each step something to do; with the probability `trouble` it does not complete."""
    steps = [_step(rng, name, dependencies, trouble) for name, dependencies in edges.items()]
    rng.shuffle(steps)
    return Plan(label, tuple(steps), flags=_flags(rng, (False, True), trouble and 0.15))


def contested(rng: random.Random, label: str) -> Plan:
    """Many steps that end badly at the same time, and as many that wait for several of them: the order decides."""
    causes = [
        StepPlan(f"cause {number}", acts=(rng.choice(("cancel", "skip", "raise")),), max_attempts=1)
        for number in range(CONTESTED_WIDTH)
    ]
    names = [cause.name for cause in causes]
    waiting = [
        StepPlan(
            f"waiting {number}",
            deps=tuple(rng.sample(names, rng.randint(2, 4))),
            flags=Flags(*rng.choices((False, False, True), k=3)),
        )
        for number in range(CONTESTED_WIDTH)
    ]
    return Plan(label, (*causes, *waiting))


def with_cancellation(rng: random.Random, plan: Plan) -> Plan:
    """Let one step hang until the test cancels it: alone, with others, or with the whole workflow."""
    chosen = rng.choice(plan.steps)
    failures = chosen.acts[: rng.randint(0, chosen.max_attempts - 1)]
    # Only an async worker stops when it is cancelled; and a timeout would end what hangs.
    acts: tuple[Act, ...] = (*["raise" if act == "overrun" else act for act in failures], "hang")
    hanging = replace(chosen, worker="act", acts=acts, timeout=None)
    steps = tuple(hanging if step is chosen else step for step in plan.steps)
    others = {step.name for step in steps if rng.random() < 0.2} if rng.random() < 0.6 else set()
    names = None if rng.random() < 0.25 else frozenset({hanging.name} | others)
    return replace(plan, steps=steps, cancellation=Cancellation(hanging.name, names))


def _step(rng: random.Random, name: str, dependencies: Sequence[str], trouble: float) -> StepPlan:
    max_attempts = rng.randint(1, 4)
    acts = _acts(rng, max_attempts, trouble)
    worker = "act_in_process" if rng.random() < 0.01 else rng.choice(_WORKERS)
    if worker == "act_plainly":  # it does not know its attempt, so each must do the same
        acts = acts[-1:]
    if worker == "act_in_process":  # it takes longer than the timeout to begin in a new process
        acts = tuple("raise" if act == "overrun" else act for act in acts)
    snoozes = rng.choice((0, 0, 0, 0, 0, 0, 0, 1, 2))
    drawn = StepPlan(
        name=name,
        worker=worker,
        acts=acts,
        rounds=rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 3)),
        snoozes=snoozes,
        snooze=rng.choice((0.0, 0.01, 0.04)) if snoozes else 0.0,
        max_attempts=max_attempts,
        timeout=TIMEOUT if "overrun" in acts else rng.choice((None, 60.0)),
        flags=_flags(rng, (None, None, False, True), 0.5 if trouble else 0.1),
        flavour=rng.choice(_FLAVOURS),
        queue=rng.choice(("default", "default", "other")),
        priority=rng.choice((0, 0, 1, 5)),
        schedule_in=rng.choice((0.0, 0.02, 0.05)) if rng.random() < 0.08 else None,
    )
    return _with_dependencies(rng, drawn, dependencies)


def _acts(rng: random.Random, max_attempts: int, trouble: float) -> tuple[Act, ...]:
    failures = rng.choices(_FAILURES, k=rng.randint(1, max_attempts))
    if rng.random() < trouble:
        last: Act = rng.choice(("raise", "raise", "retry", "overrun", "cancel", "skip", "fail", "fatal"))
        return (last,) if rng.random() < 0.7 else (*failures[:-1], last)
    return ("return",) if rng.random() < 0.8 else (*failures[:-1], "return")


def _flags(rng: random.Random, choices: Sequence[bool | None], likelihood: float) -> Flags:
    if rng.random() >= likelihood:
        return Flags(*[choices[0]] * 3)
    return Flags(*rng.choices(choices, k=3))


def _with_dependencies(rng: random.Random, step: StepPlan, dependencies: Sequence[str]) -> StepPlan:
    """Take the results of some dependencies as arguments; wait for the others only. Some do both."""
    left, right, several, deps = None, None, list[str](), list[str]()
    for name in dependencies:
        match rng.choice(("left", "right", "several", "deps", "both")):
            case "left" if left is None:
                left = name
            case "right" if right is None:
                right = name
            case "several":
                several.append(name)
            case "both":
                several.append(name)
                deps.append(name)
            case _:
                deps.append(name)
    return replace(step, left=left, right=right, several=tuple(several), deps=tuple(deps))


def chain(length: int) -> Edges:
    return {f"link {n}": [f"link {n - 1}"] if n else [] for n in range(length)}


def fan(width: int) -> Edges:
    """One, many, one."""
    leaves = [f"leaf {n}" for n in range(width)]
    return {"split": []} | {leaf: ["split"] for leaf in leaves} | {"join": leaves}


def layered(layers: int, width: int) -> Edges:
    """Each step waits for the whole layer before."""
    return {
        f"{layer}.{n}": [f"{layer - 1}.{m}" for m in range(width)] if layer else []
        for layer in range(layers)
        for n in range(width)
    }


def binary_tree(levels: int) -> Edges:
    """A root with two dependents, each of which has two."""
    return {f"node {n}": [f"node {n // 2}"] if n > 1 else [] for n in range(1, 2**levels)}


def gathering_tree(levels: int) -> Edges:
    """The same tree upside down: two nodes lead to one, down to the last."""
    inner = 2 ** (levels - 1)
    return {
        f"node {n}": [f"node {2 * n}", f"node {2 * n + 1}"] if n < inner else [] for n in range(2**levels - 1, 0, -1)
    }


def butterfly(stages: int) -> Edges:
    """The graph of a fast Fourier transform: every end depends on every beginning."""
    width = 2**stages
    return {
        f"{stage}:{n}": [f"{stage - 1}:{n}", f"{stage - 1}:{n ^ (1 << (stage - 1))}"] if stage else []
        for stage in range(stages + 1)
        for n in range(width)
    }


DIAMOND: Edges = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}

ORDER: Edges = {
    "validate": [],
    "reserve stock": ["validate"],
    "check fraud": ["validate"],
    "charge card": ["reserve stock", "check fraud"],
    "print label": ["charge card"],
    "book courier": ["charge card"],
    "ship": ["print label", "book courier"],
    "send invoice": ["charge card"],
    "mail customer": ["ship", "send invoice"],
    "release stock": ["charge card", "reserve stock"],
    "update report": ["mail customer", "release stock"],
}

BUILD: Edges = {
    "checkout": [],
    "dependencies": ["checkout"],
    **{f"lint {part}": ["dependencies"] for part in ("api", "web")},
    **{f"build {part}": ["dependencies"] for part in ("api", "web", "worker")},
    **{f"test {part}": [f"build {part}"] for part in ("api", "web", "worker")},
    "end to end": ["build api", "build web", "build worker"],
    "image": ["test api", "test web", "test worker", "lint api", "lint web"],
    "staging": ["image", "end to end"],
    "smoke test": ["staging"],
    "production": ["smoke test"],
    "notify": ["production", "staging", "end to end"],
}

NIGHTLY: Edges = {
    **{f"extract {source}": [] for source in ("orders", "customers", "clicks", "prices")},
    **{f"clean {source}": [f"extract {source}"] for source in ("orders", "customers", "clicks", "prices")},
    "dimension customer": ["clean customers"],
    "dimension product": ["clean prices"],
    "facts": ["clean orders", "dimension customer", "dimension product"],
    "sessions": ["clean clicks", "dimension customer"],
    "features": ["facts", "sessions"],
    **{f"train {fold}": ["features"] for fold in range(5)},
    "choose model": [f"train {fold}" for fold in range(5)],
    "score": ["choose model", "features"],
    "publish": ["score", "facts"],
    "tidy": ["publish", "features", "extract clicks"],
}

VIDEO: Edges = {
    "probe": [],
    "audio": ["probe"],
    "scenes": ["probe"],
    **{f"encode {size} part {part}": ["scenes"] for size in (480, 720, 1080) for part in range(6)},
    **{f"join {size}": [f"encode {size} part {part}" for part in range(6)] for size in (480, 720, 1080)},
    **{f"mux {size}": [f"join {size}", "audio"] for size in (480, 720, 1080)},
    "thumbnails": ["scenes"],
    "manifest": ["mux 480", "mux 720", "mux 1080", "thumbnails"],
}

SHAPES: Mapping[str, Edges] = {
    "one step": {"only": []},
    "chain": chain(30),
    "diamond": DIAMOND,
    "fan": fan(60),
    "layers": layered(5, 6),
    "tree": binary_tree(6),
    "gathering tree": gathering_tree(6),
    "butterfly": butterfly(3),
    "order": ORDER,
    "build": BUILD,
    "nightly": NIGHTLY,
    "video": VIDEO,
}
