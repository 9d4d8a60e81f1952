"""Model maps: which language model each step asks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from baton import (
    Baton,
    Context,
    Engine,
    InvalidOption,
    InvalidTemplate,
    InvalidWorkflow,
    Run,
    WorkerPool,
    each,
    insert_many,
    param,
    worker,
)
from baton.core.usage.model_map import ModelMap, model_of
from baton.errors import StepFailed
from baton.testing import context_for
from tests.cli.command import baton

SECONDS = 20


@worker(name="models ask")
async def ask(ctx: Context) -> str:
    return ctx.model


@worker(name="models ask item")
async def ask_item(ctx: Context, item: int) -> str:
    return f"{item} {ctx.model}"


@worker(name="models ask in thread")
def ask_in_thread(ctx: Context) -> str:
    return ctx.model


@worker(name="models ask in process", executor="process")
def ask_in_process(ctx: Context) -> str:
    return ctx.model


@worker(name="models graph")
async def graph(ctx: Context) -> Baton:
    return Baton.new(models={"first": "of the graph"}).add("first", ask.new()).add("second", ask.new())


@worker(name="models clean")
async def clean(ctx: Context) -> None:
    cleaned.append(ctx.model)


cleaned: list[str] = []


@worker(name="models fail", max_attempts=1)
async def fail() -> None:
    raise ValueError("no")


async def test_the_step_goes_before_group_worker_and_any(pool: WorkerPool) -> None:
    group = Baton.new().add("a", ask.new()).add("b", ask.new())
    flow = (
        Baton.new(models={"*": "any", "models ask": "worker", "group": "group", "group/b": "b", "own": "own"})
        .add("own", ask.new())
        .add("plain", ask.new())
        .add("group", group)
        .add("thread", ask_in_thread.new())
        .add("process", ask_in_process.new())
    )

    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    results = {step.name: step.result for step in await run.steps()}
    assert results["own"] == "own"
    assert results["plain"] == "worker"
    assert results["group"] == {"a": "group", "b": "b"}
    assert results["thread"] == "any"
    assert results["process"] == "any"


async def test_a_groups_own_map_goes_before_the_one_around_it(pool: WorkerPool) -> None:
    inner = Baton.new(models={"*": "inner"}).add("a", ask.new())
    middle = Baton.new(models={"a": "not this one"}).add("inner", inner).add("b", ask.new())

    run = await Baton.new(models={"*": "outer"}).add("middle", middle).insert()

    assert await run.result("middle", timeout=SECONDS) == {"inner": "inner", "b": "outer"}


async def test_children_of_a_map_ask_its_model(pool: WorkerPool) -> None:
    run = await Baton.new(models={"pages": "m"}).add("pages", ask_item.new(each([1, 2]))).insert()

    assert await run.result("pages", timeout=SECONDS) == ["1 m", "2 m"]


async def test_a_returned_graph_brings_its_own_map(pool: WorkerPool) -> None:
    run = await Baton.new(models={"*": "outer"}).add("graph", graph.new()).insert()

    assert await run.result("graph", timeout=SECONDS) == {"first": "of the graph", "second": "outer"}


async def test_the_map_of_the_insert_goes_before_all_others(pool: WorkerPool) -> None:
    inner = Baton.new(models={"*": "inner"}).add("a", ask.new())
    flow = Baton.new(models={"b": "b"}).add("inner", inner).add("b", ask.new())

    run = await flow.insert(models={"models ask": "given"})

    assert await run.result(timeout=SECONDS) == {"inner": "given", "b": "given"}


async def test_a_single_job_is_given_its_model_with_the_insert(pool: WorkerPool) -> None:
    run = await ask.new().insert(models={"*": "m"})

    assert await run.result(timeout=SECONDS) == "m"


async def test_an_undo_asks_the_model_of_its_step(pool: WorkerPool) -> None:
    cleaned.clear()
    flow = (
        Baton.new(models={"book": "m"}).add("book", ask.new(), undo=clean.new()).add("bad", fail.new(), deps=["book"])
    )

    run = await flow.insert()
    await run.wait(timeout=SECONDS)

    assert cleaned == ["m"]


async def test_a_step_without_a_model_is_discarded_in_a_sentence(pool: WorkerPool) -> None:
    run = await Baton.new(models={"other": "m"}).add("ask", ask.new()).insert()

    with pytest.raises(StepFailed, match=r"no model is named for step 'ask': write Baton.new\(models=\{'ask': "):
        await run.result("ask", timeout=SECONDS)
    assert (await run.steps())[0].attempt == 1


async def test_another_map_is_another_workflow(engine: Engine) -> None:
    def flow(models: ModelMap) -> Baton:
        return Baton.new(workflow_id="w", models=models).add("ask", ask.new())

    assert flow({"*": "a"}).spec().fingerprint != flow({"*": "b"}).spec().fingerprint
    assert flow({"*": "a", "b": "c"}).spec().fingerprint == flow({"b": "c", "*": "a"}).spec().fingerprint
    await flow({"*": "a"}).insert(models={"*": "c"})
    assert (await flow({"*": "a"}).insert(models={"*": "c"})).id == "w"


async def test_many_inserts_and_a_json_insert_keep_their_maps(engine: Engine, pool: WorkerPool) -> None:
    flows = [Baton.new(models={"*": f"m{number}"}).add("ask", ask.new()) for number in range(3)]
    written = Baton.new(models={"*": "json"}).add("ask", ask.new())

    runs = await insert_many(flows)
    await engine.connections.fetch("select * from baton.insert_workflow_json($1)", written.to_json())

    assert [await run.result(timeout=SECONDS) for run in runs] == ["m0", "m1", "m2"]
    assert json.loads(written.to_json())["scope"] == {"models": {"": {"*": "json"}}}
    assert await Run(written.id, engine).result(timeout=SECONDS) == "json"


@pytest.mark.parametrize(
    ("models", "sentence"),
    [
        ("gpt", "it names a model for steps, as in"),
        ({"a": 5}, "the model for 'a' must be a text of at most 200 characters"),
        ({"a": " "}, "the model for 'a' must be a text"),
        ({5: "m"}, "its keys are names of steps, groups and workers"),
        ({"": "m"}, "''"),
    ],
)
def test_a_map_that_is_none_is_refused_in_a_sentence(models: ModelMap, sentence: str) -> None:
    with pytest.raises(InvalidOption, match=sentence):
        Baton.new(models=models)


@pytest.mark.parametrize(
    ("step", "scopes", "model"),
    [
        ("a/b[2]/c", {"": {"a": "a", "a/b/c": "exact"}}, "exact"),
        ("a/b[2]/c", {"": {"a": "a"}, "a": {"*": "inner"}}, "inner"),
        ("a/b[2]/c", {"": {"a/b": "b", "a": "a"}}, "b"),
        ("turn[#3]", {"": {"turn": "t"}}, "t"),
        ("x", {"": {"y": "y"}}, None),
        ("x", {}, None),
    ],
)
def test_the_nearest_name_decides(step: str, scopes: Mapping[str, ModelMap], model: str | None) -> None:
    assert model_of(step, "w", scopes) == model


async def test_a_template_has_holes_for_models(pool: WorkerPool) -> None:
    inner = Baton.new(models={"*": "inner"}).add("a", ask.new())
    flow = Baton.new(models={"b": param("model"), "*": "m"}).add("inner", inner).add("b", ask.new()).add("c", ask.new())
    text = flow.to_template()

    with pytest.raises(InvalidWorkflow, match="a model map has the hole 'model', and no value for it"):
        flow.validate()
    with pytest.raises(InvalidTemplate, match="the hole 'model' of a model map has no value"):
        Baton.from_template(text)
    run = await Baton.from_template(text, model="given").insert()

    assert await run.result(timeout=SECONDS) == {"inner": "inner", "b": "given", "c": "m"}


async def test_a_test_says_which_model_a_context_has() -> None:
    assert await ask(context_for(ask, model="m")) == "m"


async def test_show_names_the_models(engine: Engine, database: str, tmp_path: Path) -> None:
    inner = Baton.new(models={"*": "small"}).add("a", ask.new())
    run = await Baton.new(models={"own": "large"}).add("group", inner).add("own", ask.new()).insert(models={"b": "c"})

    shown = baton("show", run.id, cwd=tmp_path, database=database)
    step = baton("show", run.id, "group/a", cwd=tmp_path, database=database)

    assert "models: own: large" in shown.stdout
    assert "models in group: *: small" in shown.stdout
    assert "models given with the insert: b: c" in shown.stdout
    assert "  model     small" in step.stdout
