"""Pictures of random and of chosen graphs, measured with nothing but their own numbers."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from time import process_time

import msgspec
import pytest

from baton.core.pictures.diagram import Diagram, Edge, Node
from baton.core.pictures.layout import Box, Direction, Picture, laid_out
from tests.core.pictures.drawing import drawn_dag, drawn_diagram
from tests.core.pictures.geometry import faults

DIRECTIONS: tuple[Direction, ...] = ("down", "right")


def seeds(count: int) -> list[str]:
    """Different ones in each run; BATON_SEED=… draws a failure again."""
    given = os.environ.get("BATON_SEED")
    return [given] if given else [str(random.randrange(10**9)) for _ in range(count)]


def steps(*keys: str, parent: str | None = None) -> list[Node]:
    return [Node(key, key, parent=parent) for key in keys]


def chain(*keys: str) -> list[Edge]:
    return [Edge(one, other) for one, other in pairwise(keys)]


def boxes_of(picture: Picture) -> dict[str, Box]:
    return {box.key: box for box in (*picture.nodes, *picture.groups)}


def middle(box: Box) -> float:
    return box.x + box.width / 2


def test_nothing_overlaps_in_random_nested_graphs() -> None:
    for seed in seeds(60):
        source = random.Random(seed)
        diagram = drawn_diagram(source)
        for direction in DIRECTIONS:
            found = faults(diagram, laid_out(diagram, direction))
            assert not found, f"BATON_SEED={seed}, {direction}: {found}"


def test_nothing_overlaps_in_random_graphs_with_cycles() -> None:
    for seed in seeds(40):
        diagram = drawn_diagram(random.Random(seed), has_cycles=True)
        for direction in DIRECTIONS:
            found = faults(diagram, laid_out(diagram, direction))
            assert not found, f"BATON_SEED={seed}, {direction}: {found}"


@pytest.mark.parametrize("reach", [None, 10])
def test_nothing_overlaps_in_a_random_dag_of_300_steps(reach: int | None) -> None:
    for seed in seeds(1):
        diagram = drawn_dag(random.Random(seed), 300, 500, reach)
        found = faults(diagram, laid_out(diagram))
        assert not found, f"BATON_SEED={seed}: {found}"


def test_nothing_overlaps_where_lines_go_around_at_the_sides() -> None:
    """A chain with very many long edges, most of which get no way of their own through the layers."""
    for seed in seeds(1):
        source = random.Random(seed)
        keys = [f"s{index}" for index in range(120)]
        ends = {tuple(sorted(source.sample(range(120), 2))) for _ in range(300)}
        long = [Edge(keys[tail], keys[head]) for tail, head in ends if head - tail > 1]
        diagram = Diagram(tuple(steps(*keys)), (*chain(*keys), *long))
        picture = laid_out(diagram, "down")
        found = faults(diagram, picture)
        assert not found, f"BATON_SEED={seed}: {found}"
        levels = [(one[1], other[1]) for route in picture.routes for one, other in pairwise(route.points)]
        assert any(one == other for one, other in levels), f"BATON_SEED={seed}: no line goes straight across"


def test_edges_lead_in_the_direction_of_the_picture() -> None:
    diagram = drawn_dag(random.Random(1), 40, 60)
    down, right = (boxes_of(laid_out(diagram, direction)) for direction in DIRECTIONS)

    for edge in diagram.edges:
        assert down[edge.source].y + down[edge.source].height < down[edge.target].y
        assert right[edge.source].x + right[edge.source].width < right[edge.target].x


def test_of_a_cycle_one_edge_leads_back() -> None:
    picture = laid_out(Diagram(tuple(steps("a", "b", "c")), (*chain("a", "b", "c"), Edge("c", "a"))), "down")
    back = [route for route in picture.routes if route.points[0][1] > route.points[-1][1]]

    assert [(route.source, route.target) for route in back] == [("c", "a")]


def test_a_chain_is_straight() -> None:
    keys = [f"s{index}" for index in range(12)]
    picture = laid_out(Diagram(tuple(steps(*keys)), tuple(chain(*keys))), "down")

    assert len({middle(box) for box in picture.nodes}) == 1
    assert all(len(route.points) == 2 for route in picture.routes)


def test_a_chain_stays_straight_beside_long_edges() -> None:
    keys = [f"s{index}" for index in range(30)]
    long = [Edge(key, keys[-1]) for key in keys[:-2]]
    picture = laid_out(Diagram(tuple(steps(*keys)), (*chain(*keys), *long)), "down")

    assert len({middle(box) for box in picture.nodes}) == 1


def test_a_diamond_is_symmetric() -> None:
    diagram = Diagram(
        tuple(steps("a", "left", "righ", "z")),
        (Edge("a", "left"), Edge("a", "righ"), Edge("left", "z"), Edge("righ", "z")),
    )
    box = boxes_of(laid_out(diagram, "down"))

    assert middle(box["a"]) == middle(box["z"]) == (middle(box["left"]) + middle(box["righ"])) / 2
    assert box["left"].y == box["righ"].y


def test_siblings_stay_in_the_order_in_which_they_were_added() -> None:
    keys = [f"w{index}" for index in range(9)]
    edges = [edge for key in keys for edge in (Edge("split", key), Edge(key, "join"))]
    box = boxes_of(laid_out(Diagram((*steps("split", *keys, "join"),), tuple(edges)), "down"))

    assert sorted(keys, key=lambda key: box[key].x) == keys


def test_edges_that_can_be_drawn_without_crossings_are() -> None:
    """A tree, its leaves given in an order that crosses every edge."""
    diagram = Diagram(
        tuple(steps("root", "a", "b", "c", "c2", "a2", "b2", "c1", "b1", "a1")),
        tuple([Edge("root", key) for key in "abc"] + [Edge(key, f"{key}{leaf}") for leaf in (2, 1) for key in "cab"]),
    )
    box = boxes_of(laid_out(diagram, "down"))
    leaves = sorted((middle(box[f"{key}{leaf}"]), middle(box[key])) for key in "abc" for leaf in (1, 2))

    assert [parent for _, parent in leaves] == sorted(parent for _, parent in leaves)


def test_a_tree_is_drawn_without_crossings_from_its_leaves_too() -> None:
    """64 leaves join in pairs, level by level; they are given in a random order."""
    levels = [[f"{level}.{index}" for index in range(64 >> level)] for level in range(7)]
    edges = [Edge(key, after[index // 2]) for before, after in pairwise(levels) for index, key in enumerate(before)]
    keys = [key for level in levels for key in level]
    for seed in seeds(5):
        random.Random(seed).shuffle(keys)
        box = boxes_of(laid_out(Diagram(tuple(steps(*keys)), tuple(edges)), "down"))
        for before, after in pairwise(levels):
            parent = {key: after[index // 2] for index, key in enumerate(before)}
            met = [parent[key] for key in sorted(before, key=lambda key: box[key].x)]
            assert met[::2] == met[1::2] == sorted(after, key=lambda key: box[key].x), f"BATON_SEED={seed}"


def test_a_long_chain_does_not_drift_towards_its_lines() -> None:
    picture = laid_out(closing_step(6_000), "down")

    assert picture.width < 300


def test_a_group_lies_beside_the_steps_that_run_meanwhile() -> None:
    """A group of five layers takes several layers outside: what runs beside it is not pushed
    below it."""
    inner = [f"i{index}" for index in range(5)]
    diagram = Diagram(
        (*steps("start", "b", "c", "finish"), *steps(*inner, parent="g")),
        (Edge("start", "g"), Edge("g", "finish"), *chain("start", "b", "c", "finish"), *chain(*inner)),
        (Node("g", "group"),),
    )
    box = boxes_of(laid_out(diagram, "down"))

    assert box["g"].y <= box["b"].y
    assert box["c"].y + box["c"].height <= box["g"].y + box["g"].height


def test_steps_that_nothing_joins_stand_in_rows() -> None:
    picture = laid_out(Diagram(tuple(steps(*[f"step {index:02}" for index in range(40)]))), "down")

    assert len({box.y for box in picture.nodes}) > 3
    assert 0.5 < picture.width / picture.height < 4


def test_a_wide_graph_flows_to_the_right() -> None:
    keys = [f"w{index}" for index in range(30)]
    edges = [edge for key in keys for edge in (Edge("split", key), Edge(key, "join"))]

    assert laid_out(Diagram((*steps("split", *keys, "join"),), tuple(edges))).direction == "right"
    assert laid_out(Diagram((*steps(*keys),), tuple(chain(*keys)))).direction == "down"


def test_edges_of_one_step_share_their_line_until_they_part() -> None:
    keys = [f"s{index}" for index in range(8)]
    diagram = Diagram(tuple(steps(*keys)), (*chain(*keys), Edge("s0", "s4"), Edge("s0", "s6"), Edge("s0", "s7")))
    routes = {(route.source, route.target): route.points for route in laid_out(diagram, "down").routes}

    assert routes["s0", "s4"][:3] == routes["s0", "s6"][:3] == routes["s0", "s7"][:3]


def test_the_same_diagram_always_gets_the_same_picture() -> None:
    for seed in seeds(10):
        assert laid_out(drawn_diagram(random.Random(seed))) == laid_out(drawn_diagram(random.Random(seed))), seed


def test_a_state_does_not_move_a_box() -> None:
    """So a page can show a run as it goes on without boxes that jump."""

    def drawn(state: str) -> Picture:
        return laid_out(Diagram((Node("a", "a", state=state), Node("b", "b", state="suspended")), (Edge("a", "b"),)))

    assert drawn("executing") == drawn("discarded")


def test_coordinates_are_whole_or_half_numbers() -> None:
    picture = laid_out(drawn_diagram(random.Random(3)))
    numbers = [number for box in picture.nodes for number in (box.x, box.y, box.width, box.height)]
    numbers += [number for route in picture.routes for point in route.points for number in point]

    assert all((2 * number).is_integer() for number in numbers)


def test_a_picture_survives_json() -> None:
    picture = laid_out(drawn_diagram(random.Random(7)))

    assert msgspec.json.decode(msgspec.json.encode(picture), type=Picture) == picture


def test_an_empty_diagram_has_an_empty_picture() -> None:
    picture = laid_out(Diagram(()))

    assert (picture.nodes, picture.groups, picture.routes) == ((), (), ())
    assert picture.width > 0


def test_groups_in_one_another_are_laid_out_without_recursion() -> None:
    deep = 1_500
    groups = [Node(f"g{index}", "g", parent=f"g{index - 1}" if index else None) for index in range(deep)]
    diagram = Diagram(
        (Node("in", "in", parent=f"g{deep - 1}"), Node("out", "out")), (Edge("in", "out"),), tuple(groups)
    )

    assert len(laid_out(diagram).groups) == deep


def random_graph(size: int) -> Diagram:
    return drawn_dag(random.Random(5), size, 3 * size)


def long_chain(size: int) -> Diagram:
    source = random.Random(6)
    keys = [f"s{index}" for index in range(size)]
    ends = {tuple(sorted(source.sample(range(size), 2))) for _ in range(2 * size)}
    return Diagram(tuple(steps(*keys)), (*chain(*keys), *[Edge(keys[tail], keys[head]) for tail, head in ends]))


def closing_step(size: int) -> Diagram:
    keys = [f"s{index}" for index in range(size)]
    return Diagram(tuple(steps(*keys)), (*chain(*keys), *[Edge(key, keys[-1], "observed") for key in keys[:-2]]))


def fan(size: int) -> Diagram:
    keys = [f"s{index}" for index in range(size)]
    edges = [edge for key in keys for edge in (Edge("split", key), Edge(key, "join"))]
    return Diagram((*steps("split", *keys, "join"),), tuple(edges))


def bipartite(size: int) -> Diagram:
    """Two layers with as many edges as steps, over and over: everything crosses."""
    source = random.Random(7)
    half = size // 2
    ends = {(source.randrange(half), half + source.randrange(half)) for _ in range(2 * size)}
    return Diagram(
        tuple(steps(*[f"s{index}" for index in range(size)])),
        tuple([Edge(f"s{tail}", f"s{head}") for tail, head in ends]),
    )


def dense(size: int) -> Diagram:
    """Each of some steps waits for each of as many others."""
    one, other = ([f"{side}{index}" for index in range(int(size**0.5))] for side in "ab")
    edges = [Edge(tail, head) for tail in one for head in other]
    return Diagram(tuple(steps(*one, *other)), tuple(edges))


def small_groups(size: int) -> Diagram:
    keys = [f"s{index}" for index in range(size)]
    groups = [Node(f"g{index}", "g") for index in range(size // 8 + 1)]
    nodes = [Node(key, key, parent=f"g{index // 8}") for index, key in enumerate(keys)]
    return Diagram(tuple(nodes), tuple(chain(*keys)), tuple(groups))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [random_graph, long_chain, closing_step, fan, bipartite, dense, small_groups])
def test_the_layout_takes_linear_time(shape) -> None:
    """Eight times the size may take 30 times as long, as caches and the garbage collector have a
    share; a square of it would take 64 times."""

    def seconds(size: int) -> float:
        diagram = shape(size)
        started = process_time()
        laid_out(diagram, "down")
        return process_time() - started

    small = max(min(seconds(500), seconds(500)), 0.005)
    # Twice, for something else may use the processor's caches meanwhile.
    assert min(seconds(4_000), seconds(4_000)) < 30 * small
