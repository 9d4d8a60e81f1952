"""The model of groups that random workflows are compared with: what it says of each rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.model.group_plan import Family, Growth, Node, Tolerance
from tests.model.group_rules import ABSENT, Foretold
from tests.model.random_groups import growths
from tests.model.sample_records import at


def foretold(*steps: Node, returns: str | None = None, order: str = "") -> Foretold:
    """What becomes of these steps if those in the given order end first."""
    growth = Growth("made", Family(steps, returns))
    times = {name: at(second) for second, name in enumerate(order.split())}
    return Foretold(growth, _Late(times))


class _Late(dict):
    def __missing__(self, _name):
        return at(1000)


def states(whole: Foretold) -> dict[str, str]:
    return {name: place.state for name, place in whole.places().items()}


def a_map(*deeds: str, **options) -> Node:
    return Node("m", "map", items=tuple(Node("", deeds=(deed,)) for deed in deeds), **options)


@pytest.mark.parametrize(
    ("deeds", "becomes"),
    [
        ("return skip return", "completed"),
        ("skip skip", "skipped"),
        ("cancel raise return", "discarded"),
        ("cancel skip", "cancelled"),
    ],
)
def test_a_map_is_judged_by_its_children(deeds, becomes):
    assert foretold(a_map(*deeds.split())).places()["m"].state == becomes


def test_a_map_has_the_results_there_are_in_item_order():
    places = foretold(a_map("return", "raise", "skip", "return")).places()

    assert places["m"].result == [places["m[0]"].result, places["m[3]"].result]


def test_what_is_no_list_discards_a_map_and_an_ignored_source_without_a_result_is_an_empty_one():
    assert states(foretold(Node("a"), a_map("return", source="a"))) == {"a": "completed", "m": "discarded"}
    ignored = a_map("return", source="a", flags=Tolerance(discarded=True))
    assert foretold(Node("a", deeds=("raise",)), ignored).places()["m"].result == []


def test_the_first_steps_of_a_family_wait_in_its_place_under_its_flags():
    inside = Family((Node("x"), Node("y", deps=("x",))))

    plain = foretold(Node("a", deeds=("raise",)), Node("g", "family", deps=("a",), inside=inside))
    ignoring = foretold(
        Node("a", deeds=("raise",)), Node("g", "family", deps=("a",), inside=inside, flags=Tolerance(discarded=True))
    )

    assert states(plain) == {"a": "discarded", "g": "cancelled", "g/x": "cancelled", "g/y": "cancelled"}
    assert states(ignoring) == {"a": "discarded", "g": "completed", "g/x": "completed", "g/y": "completed"}
    assert (plain.state(), ignoring.state()) == ("failed", "completed")


def test_names_in_a_returned_graph_stand_for_its_steps_and_then_for_what_its_step_depends_on():
    graph = Family((Node("x", left="a"), Node("a"), Node("y", left="b")))
    whole = foretold(Node("a"), Node("b"), Node("t", deps=("a", "b"), deeds=("grow",), inside=graph))

    places = whole.places()
    assert places["t/x"].own() == [places["t/a"]]
    assert places["t/y"].own() == [places["b"]]


def test_what_nothing_depends_on_is_the_result_and_of_several_a_mapping():
    one = foretold(Node("g", "family", inside=Family((Node("x"), Node("y", deps=("x",)))))).places()
    two = foretold(Node("g", "family", inside=Family((Node("x"), Node("y"))))).places()

    assert one["g"].result == one["g/y"].result
    assert two["g"].result == {"x": two["g/x"].result, "y": two["g/y"].result}


def test_the_answer_of_a_run_is_that_of_its_last_steps_without_the_skipped_ones():
    assert foretold(Node("a"), Node("b", deeds=("skip",))).answer()[1].keys() == {"a"}
    assert foretold(Node("a"), Node("b", deeds=("raise",))).answer() == ("discarded", None)
    assert foretold(Node("a", deeds=("skip",)), Node("b"), returns="a").answer() == ("skipped", None)


def test_the_first_unfavourable_dependency_decides():
    steps = (Node("a", deeds=("skip",)), Node("b", deeds=("cancel",)), Node("c", deps=("a", "b")))

    assert [states(foretold(*steps, order=order))["c"] for order in ("a b", "b a")] == ["skipped", "cancelled"]


@pytest.mark.parametrize("fault", ["cycle", "unknown", "empty", "twice"])
def test_a_graph_with_a_fault_discards_its_step_at_once(fault):
    place = foretold(Node("t", deeds=(fault,))).places()["t"]

    assert (place.state, place.attempts, place.result) == ("discarded", 1, ABSENT)


def nodes(family: Family) -> Iterator[Node]:
    for node in family.steps:
        yield node
        yield from node.items
        for inside in (node.inside, *[item.inside for item in node.items]):
            if inside is not None:
                yield from nodes(inside)


def test_a_seed_draws_the_same_again_and_shows_every_behaviour():
    drawn = growths("7", 300)
    found = [node for growth in drawn for node in nodes(growth.whole)]

    assert drawn == growths("7", 300)
    assert growths("7/5", 1) == [drawn[5]]
    deeds = Counter(deed for node in found for deed in node.deeds)
    assert len(deeds) == 12
    assert min(deeds.values()) > 10
    assert {node.kind for node in found} == {"step", "map", "family"}
    assert {growth.cancels == () for growth in drawn if growth.cancels is not None} == {True, False}
