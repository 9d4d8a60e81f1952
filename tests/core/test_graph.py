from __future__ import annotations

import random
import sys
from time import monotonic

from baton.core.graph import cycles, resolve
from baton.errors.faults import Cycle, SelfDependency, UnknownDependency


def test_the_order_added_is_kept_where_it_can_be() -> None:
    assert resolve(["a", "b", "c"], [(), (), ("a",)]).order == (0, 1, 2)


def test_steps_at_one_distance_stay_in_the_order_added() -> None:
    graph = resolve(["d", "c", "a", "b"], [("a", "b"), ("a",), (), ()])
    assert graph.order == (2, 3, 0, 1)


def test_every_kind_of_fault_is_found_at_once() -> None:
    names = ["a", "b", "c", "d"]
    graph = resolve(names, [("a", "x"), ("c",), ("b",), ()])
    assert graph.faults == (SelfDependency("a"), UnknownDependency("a", "x", names), Cycle(("b", "c")))


def test_a_cycle_is_reported_in_the_order_in_which_it_would_run() -> None:
    graph = resolve(["a", "b", "c"], [("c",), ("a",), ("b",)])
    assert graph.faults == (Cycle(("a", "b", "c")),)


def test_each_disjoint_cycle_is_reported() -> None:
    assert cycles([(1,), (0,), (1, 3), (4,), (2,)]) == [(0, 1), (2, 4, 3)]


def test_a_step_that_only_depends_on_a_cycle_is_no_member_of_it() -> None:
    assert cycles([(), (0, 2), (1,), (2,)]) == [(1, 2)]


def test_random_graphs_are_ordered_or_their_cycles_are_real() -> None:
    seed = random.randrange(sys.maxsize)
    source = random.Random(seed)
    for _ in range(300):
        size = source.randint(1, 12)
        names = [f"s{position}" for position in range(size)]
        awaited = [tuple(source.sample(names, source.randint(0, min(2, size)))) for _ in names]
        graph = resolve(names, awaited)
        place = {position: index for index, position in enumerate(graph.order)}
        found = [fault for fault in graph.faults if isinstance(fault, Cycle)]
        assert bool(graph.order) != bool(found), f"seed {seed}"
        for position in graph.order:
            assert all(place[before] < place[position] for before in graph.dependencies[position]), f"seed {seed}"
        for cycle in found:
            for before, after in zip(cycle.members, (*cycle.members[1:], cycle.members[0]), strict=True):
                assert before in awaited[names.index(after)], f"seed {seed}"


def test_a_hundred_thousand_steps_are_ordered_in_linear_time() -> None:
    """Without recursion: a chain of any length is ordered."""
    size = 100_000
    names = [f"s{position}" for position in range(size)]
    backwards = [(f"s{position + 1}",) for position in range(size - 1)] + [()]
    circle = [*backwards[:-1], ("s0",)]
    started = monotonic()
    assert resolve(names, backwards).order == tuple(reversed(range(size)))
    assert len(resolve(names, circle).faults) == 1
    assert resolve(names, [()] * (size - 1) + [tuple(names[:-1])]).order == tuple(range(size))
    assert monotonic() - started < 30


def test_unknown_names_by_the_thousand_are_answered_at_once() -> None:
    names = [f"step {position}" for position in range(20_000)]
    started = monotonic()
    faults = resolve(names, [(f"stop {position}",) for position in range(20_000)]).faults
    assert str(faults[0]).endswith("did you mean 'step 0'?")
    assert len([str(fault) for fault in faults]) == 20_000
    assert monotonic() - started < 30
