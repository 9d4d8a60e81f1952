"""What the pictures of a run show."""

from __future__ import annotations

import pytest

from baton import Baton, Run, WorkerPool, WorkflowNotFound, each, result_of, worker
from baton.client.drawn_run import LARGEST_OPEN_MAP, diagram_of
from baton.core.pictures.diagram import Edge

SECONDS = 20
MANY = LARGEST_OPEN_MAP + 1


@worker(name="pictures work")
async def work(x: int = 0) -> int:
    return x


@worker(name="pictures fail", max_attempts=1)
async def fail_at(x: int = 0, at: int = 0) -> int:
    if x == at:
        raise ValueError("no")
    return x


@worker(name="pictures tidy")
async def tidy() -> None: ...


@worker(name="pictures grow")
async def grow() -> Baton:
    return Baton.new().add("p", work.new()).add("q", work.new(result_of("p")))


@pytest.fixture
async def drawn(engine):
    """Returns the diagram of a workflow that was run."""

    async def draw(flow):
        async with WorkerPool(engine):
            run = await flow.insert()
            await run.wait(timeout=SECONDS)
        return diagram_of(await run.steps(), "title")

    return draw


def boxes(diagram):
    return {box.key: box for box in (*diagram.nodes, *diagram.groups)}


async def test_steps_have_their_states_and_edges_their_kinds(drawn):
    flow = Baton.new().add("a", work.new(1)).add("b", fail_at.new()).add("c", work.new(result_of("b", default=3)))
    flow.add("d", work.new(result_of("a")), deps=["b"]).add("e", tidy.new(), deps=["d"], runs="always")

    diagram = await drawn(flow)

    assert {key: box.state for key, box in boxes(diagram).items()} == {
        "a": "completed",
        "b": "discarded",
        "c": "completed",
        "d": "cancelled",
        "e": "completed",
    }
    assert set(diagram.edges) == {
        Edge("b", "c", "optional"),
        Edge("a", "d"),
        Edge("b", "d"),
        Edge("d", "e", "observed"),
    }


async def test_a_small_map_and_a_returned_graph_are_open(drawn):
    diagram = await drawn(Baton.new().add("m", work.new(each([1, 2]))).add("g", grow.new(), deps=["m"]))

    found = boxes(diagram)
    assert {key: (box.label, box.kind, box.parent) for key, box in found.items()} == {
        "m": ("m", "map", None),
        "m[0]": ("[0]", "step", "m"),
        "m[1]": ("[1]", "step", "m"),
        "g": ("g", "graph", None),
        "g/p": ("p", "step", "g"),
        "g/q": ("q", "step", "g"),
    }


async def test_a_large_map_is_one_box_with_its_states_counted(drawn):
    diagram = await drawn(Baton.new().add("m", fail_at.new(each(list(range(MANY))), at=3)))

    (box,) = diagram.nodes
    assert (box.key, dict(box.counts)) == ("m", {"completed": MANY - 1, "discarded": 1})


async def test_an_undo_hangs_below_the_step_that_it_takes_back(drawn):
    flow = Baton.new().add("hotel", work.new(), undo=tidy.new()).add("b", fail_at.new(), deps=["hotel"])

    diagram = await drawn(flow)

    found = boxes(diagram)["hotel[undo]"]
    assert (found.kind, found.state, found.sublabel) == ("undo", "completed", "pictures tidy")
    assert Edge("hotel", "hotel[undo]", "observed") in diagram.edges


async def test_a_closing_step_over_all_hangs_below_the_last_steps(drawn):
    flow = Baton.new().add("a", work.new()).add("b", work.new(), deps=["a"]).add("clean", tidy.new(), runs="always")

    diagram = await drawn(flow)

    assert set(diagram.edges) == {Edge("a", "b"), Edge("b", "clean", "observed")}


async def test_a_run_is_drawn_in_all_languages_with_its_name(engine):
    run = await Baton.new(workflow_name="nightly").add("alignment", work.new()).insert()

    for text in (await run.to_svg(), await run.to_mermaid(), await run.to_dot()):
        assert "nightly" in text
        assert "alignment" in text
    assert (await run.to_svg())._repr_svg_().startswith("<svg")


async def test_a_run_that_does_not_exist_is_not_drawn(engine):
    with pytest.raises(WorkflowNotFound):
        await Run("nowhere").to_svg()
