"""What the pictures of a workflow that is not inserted show."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from baton import Baton, InvalidWorkflow, Receive, Run, Signal, Timer, each, result_of, state_of, worker
from baton.core.pictures.diagram import Edge


@worker(name="diagram work")
async def work(x: int = 0, y: int = 0) -> int:
    return x + y


@worker(name="diagram tidy")
async def tidy(x: int | None = None) -> None: ...


def flow():
    return Baton.new(workflow_name="cluster")


def edges(baton):
    return set(baton._diagram().edges)


def boxes(baton):
    diagram = baton._diagram()
    return {box.key: box for box in (*diagram.nodes, *diagram.groups)}


def test_a_step_names_its_worker_unless_it_is_named_as_it():
    found = boxes(flow().add("a", work.new()).add("diagram work", work.new()))

    assert {key: box.sublabel for key, box in found.items()} == {"a": "diagram work", "diagram work": ""}


def test_a_step_names_what_takes_it_back():
    assert boxes(flow().add("a", work.new(), undo=tidy.new()))["a"].sublabel == "diagram work, undo: diagram tidy"


def test_the_steps_of_a_sub_workflow_lie_in_its_box():
    inner = Baton.new().add("align", work.new(result_of("sheet"))).add("sort", work.new(result_of("align")))
    whole = flow().add("sheet", work.new()).add("sample", inner)

    found = boxes(whole)

    assert {key: (box.label, box.parent, box.kind) for key, box in found.items()} == {
        "sheet": ("sheet", None, "step"),
        "sample": ("sample", None, "workflow"),
        "sample/align": ("align", "sample", "step"),
        "sample/sort": ("sort", "sample", "step"),
    }
    assert edges(whole) == {Edge("sheet", "sample/align"), Edge("sample/align", "sample/sort")}


def test_a_map_is_one_box():
    found = boxes(flow().add("m", work.new(each([1, 2, 3]))))

    assert (list(found), found["m"].kind) == (["m"], "map")


def test_each_kind_of_edge_is_drawn_as_such():
    whole = flow().add("a", work.new()).add("b", work.new()).add("c", work.new())
    whole.add("d", work.new(result_of("a"), result_of("b", default=0)), when=state_of("c") == "completed")

    assert edges(whole) == {Edge("a", "d"), Edge("b", "d", "optional"), Edge("c", "d", "observed")}


def test_a_closing_step_over_all_hangs_below_the_last_steps_only():
    whole = flow().add("a", work.new()).add("b", work.new(), deps=["a"]).add("c", work.new(), deps=["a"])
    whole.add("clean", tidy.new(), runs="always")

    assert edges(whole) == {
        Edge("a", "b"),
        Edge("a", "c"),
        Edge("b", "clean", "observed"),
        Edge("c", "clean", "observed"),
    }
    assert boxes(whole)["clean"].kind == "closing"


def test_the_engines_own_steps_are_not_drawn():
    inner = Baton.new().add("work", work.new()).add("clean", tidy.new(), runs="always")
    whole = flow().add("a", work.new()).add("group", inner, when=result_of("a") > 1)

    assert set(boxes(whole)) == {"a", "group", "group/work", "group/clean"}
    assert Edge("a", "group") in edges(whole)


def test_an_invalid_workflow_is_not_drawn():
    with pytest.raises(InvalidWorkflow, match="nowhere"):
        flow().add("a", work.new(), deps=["nowhere"]).to_svg()


def test_all_languages_name_each_step():
    whole = flow().add("align <1>", work.new()).add("sort", work.new(), deps=["align <1>"])

    svg = whole.to_svg()
    texts = "".join(ET.fromstring(svg).itertext())

    assert ("align <1>" in texts, "sort" in texts, "cluster" in texts) == (True, True, True)
    assert ("align" in whole.to_mermaid(), "align" in whole.to_dot()) == (True, True)


def test_a_notebook_shows_a_workflow_and_what_to_svg_returns():
    whole = flow().add("a", work.new())

    assert whole._repr_svg_() == whole.to_svg() == whole.to_svg()._repr_svg_()


def test_the_direction_can_be_chosen():
    whole = flow().add("a", work.new()).add("b", work.new(), deps=["a"])

    assert whole.to_mermaid(direction="right").count("flowchart LR") == 1
    assert whole.to_mermaid(direction="down").count("flowchart TD") == 1


def test_steps_that_wait_are_drawn_by_what_they_wait_for():
    found = boxes(
        flow()
        .add("approval", Signal(timeout=60))
        .add("talk", Receive("chat"))
        .add("rest", Timer(hours=1))
        .add("batch", Run("batch-7"))
    )

    assert {key: (box.kind, box.sublabel) for key, box in found.items()} == {
        "approval": ("signal", "signal within 60 s"),
        "talk": ("signal", "message of chat"),
        "rest": ("timer", "3600 s"),
        "batch": ("run", "run batch-7"),
    }
