"""Templates: a workflow as text, and a workflow of that text with values in its holes."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from baton import (
    Baton,
    Context,
    Exponential,
    InvalidTemplate,
    InvalidWorkflow,
    JobOptions,
    Receive,
    Run,
    Signal,
    Timer,
    each,
    failed,
    param,
    result_of,
    state_of,
    worker,
)
from baton.core import registry
from baton.core.templates.described_worker import WorkerDescription
from baton.core.templates.document import StepTemplate, Template, WorkflowTemplate

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "template.schema.json").read_text())


@dataclass(frozen=True)
class Page:
    url: str
    number: int


with registry.isolated():

    @worker(name="template fetch", queue="web", max_attempts=3)
    async def fetch(url: str, pages: list[int] = [], at: datetime | None = None) -> Page: ...  # noqa: B006

    @worker(name="template report")
    async def report(ctx: Context, pages: Any = None, notes: dict[str, Any] | None = None) -> Any: ...

    @worker(name="template drop")
    async def drop(page: Page | None) -> None: ...


def whole() -> Baton:
    """A workflow that has everything a step may have, and no hole."""
    inner = Baton.new(fail_fast=True).add("p", fetch.new("x")).add("q", report.new(result_of("p"))).returns("q")
    return (
        Baton.new(
            workflow_name="whole",
            meta={"by": [1, None, "$x"]},
            deadline=60,
            debug=True,
            key="k",
            key_for=5,
            tags={"a": "b"},
        )
        .add("a", fetch.new("x", [1], datetime(2026, 1, 2, tzinfo=UTC)), undo=drop.new(result_of("a", default=None)))
        .add("b", report.new([result_of("a"), {"$k": result_of("a"), "$$": 1e22, "n": [None, -0.0]}]), deps=["a"])
        .add("c", report.new(result_of("b", default={"$x": 1}), notes={"s": state_of("a")}), ignore_skipped=True)
        .add("m", fetch.new(each(["x", "y"]), pages=each(result_of("b"))).with_options(concurrency=2, tolerate="10%"))
        .add("when", report.new(), when=(result_of("a")["number"] > 3) & ~state_of("b").in_(["skipped", None]))
        .add("or", report.new(), when=(state_of("c") == "completed") | failed("a", "b") | (result_of("b") == [1, "x"]))
        .add("few", report.new(), deps=["a", "b", "c"], needs=2, rest="cancel")
        .add("g", inner, deps=["a"], when=state_of("b") != "skipped")
        .add("later", drop.new(Page("u", 1)).with_options(scheduled_at=datetime(2030, 1, 1, tzinfo=UTC), priority=0))
        .add("slow", drop.new(None).with_options(backoff=Exponential(3), schedule_in=5, timeout=None, queue="q"))
        .add("signal", Signal(Page, timeout=timedelta(days=2), default=Page("u", 1)), deps=["a"])
        .add("message", Receive("chat", str))
        .add("timer", Timer(hours=1))
        .add("until", Timer(until=datetime(2030, 1, 1, tzinfo=UTC)))
        .add("run", Run("another"))
        .add("close", drop.new(result_of("a", default=None)), runs="always")
        .add("alert", drop.new(None).with_options(max_attempts=2), runs="on failure", deps=["a"])
        .returns("m")
    )


def holed() -> Baton:
    return Baton.new().add("a", fetch.new(param("site"), [1, param("page")])).add("b", report.new(result_of("a")))


def changed(template: str, change: Any) -> str:
    document = json.loads(template)
    change(document)
    return json.dumps(document)


def why(template: str, **values: Any) -> str:
    with pytest.raises(InvalidTemplate) as refused:
        Baton.from_template(template, **values)
    return refused.value.why


def test_a_template_read_back_is_the_same_workflow() -> None:
    with registry.isolated():
        for one in (fetch, report, drop):
            registry.add(one)
        back = Baton.from_template(whole().to_template(), workflow_id="w")
    first, second = whole().spec(), back.spec()
    assert second.id == "w"
    assert second.fingerprint == first.fingerprint
    assert list(second.steps) == list(first.steps)
    assert (second.name, second.meta, second.debug, second.scope) == (first.name, first.meta, True, first.scope)
    assert second.returns == first.returns


def test_a_process_that_knows_no_worker_reads_the_same_workflow() -> None:
    """What the steps need of their workers is in the template."""
    back = Baton.from_template(whole().to_template())
    assert list(back.spec().steps) == list(whole().spec().steps)
    assert back.to_template() == whole().to_template()


def test_a_known_worker_gives_its_present_options() -> None:
    template = changed(holed().to_template(), lambda one: one["workers"]["template fetch"].update(max_attempts=7))
    with registry.isolated():
        registry.add(fetch)
        spec = Baton.from_template(template, site="x", page=1).spec()
    assert spec.steps[0].terms.max_attempts == 3


def test_values_stand_where_the_holes_were() -> None:
    spec = Baton.from_template(holed().to_template(), site="x", page=2).spec()
    assert json.loads(spec.steps[0].args) == {"url": "x", "pages": [1, 2]}


def test_a_hole_may_stand_in_many_places_and_in_groups() -> None:
    inner = Baton.new().add("p", fetch.new(param("site")))
    flow = Baton.new().add("a", fetch.new(param("site")), undo=drop.new(param("page"))).add("g", inner)
    spec = Baton.from_template(flow.to_template(), site="x", page=None).spec()
    assert [json.loads(step.args).get("url") for step in spec.steps] == ["x", None, "x"]


def test_an_option_may_be_a_hole() -> None:
    options = JobOptions(queue=param("queue"), deadline=param("limit"))
    flow = Baton.new().add("a", fetch.new("x").with_options(**options))
    spec = Baton.from_template(flow.to_template(), queue="q", limit=timedelta(minutes=1)).spec()
    assert (spec.steps[0].terms.queue, spec.steps[0].terms.deadline) == ("q", 60.0)
    assert "deadline=-1 cannot be used" in why(flow.to_template(), queue="q", limit=-1)


def test_the_list_of_a_map_may_be_a_hole() -> None:
    flow = Baton.new().add("m", fetch.new(each(param("urls")), each([[1], [2]])))
    spec = Baton.from_template(flow.to_template(), urls=["x", "y"]).spec()
    assert json.loads(spec.steps[0].args) == {"url": ["x", "y"], "pages": [[1], [2]]}
    assert "takes a list of items, not 'x'" in why(flow.to_template(), urls="x")
    assert "must agree in length: 'url' has 1 items and 'pages' has 2 items" in why(flow.to_template(), urls=["x"])


def test_values_whose_names_are_taken_are_given_as_a_mapping() -> None:
    flow = Baton.new().add("a", fetch.new(param("workflow_id")))
    back = Baton.from_template(flow.to_template(), {"workflow_id": "x"}, workflow_id="w")
    assert (back.id, json.loads(back.spec().steps[0].args)) == ("w", {"url": "x"})


def test_a_value_may_be_given_as_python_has_it_or_as_json() -> None:
    flow = Baton.new().add("a", drop.new(param("page")))
    with registry.isolated():
        registry.add(drop)
        for value in (Page("x", 1), {"url": "x", "number": 1}):
            spec = Baton.from_template(flow.to_template(), page=value).spec()
            assert json.loads(spec.steps[0].args) == {"page": {"url": "x", "number": 1}}
        assert "step 'a': template drop: in `$.page`: Expected `int`, got `str` - at `$.number`" in why(
            flow.to_template(), page={"url": "x", "number": "1"}
        )


def test_a_workflow_with_holes_cannot_be_inserted() -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        holed().spec()
    assert sorted(fault.hole for fault in refused.value.faults) == ["page", "site"]  # type: ignore[union-attr]
    with pytest.raises(InvalidWorkflow, match="has the hole 'site'"):
        fetch.new(param("site")).spec()


def test_holes_without_values_and_values_without_holes_are_all_named() -> None:
    said = why(holed().to_template(), sight="x")
    assert "the hole 'site' of step 'a' has no value" in said
    assert "the hole 'page' of step 'a' has no value" in said
    assert "there is no hole 'sight'; did you mean 'site'?" in said
    assert "there is no hole 'x'; it has none" in why(whole().to_template(), x=1)


def test_a_value_that_is_not_known_yet_is_refused() -> None:
    said = why(holed().to_template(), site=result_of("a"), page=1)
    assert "the value of 'site' must be known now, and result_of('a') is not" in said


def test_other_faults_of_a_graph_prevent_writing_it() -> None:
    with pytest.raises(InvalidWorkflow, match="depends on 'c', which is not in the workflow"):
        holed().add("x", drop.new(None), deps=["c"]).to_template()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one.update(template=2), "it has version 2, and this library reads versions up to 1; upgrade it"),
        (lambda one: one.update(template="1"), "\"template\": '1' is not a version"),
        (lambda one: one.pop("template"), 'a template begins with "template": 1'),
        (lambda one: one.update(stepz=1), "there is no field 'stepz' in version 1; did you mean 'steps'?"),
        (lambda one: one.pop("steps"), "it lacks the field 'steps'"),
        (
            lambda one: one["steps"][0].update(dep=[]),
            "at $.steps[0]: there is no field 'dep' in version 1; did you mean 'deps'?",
        ),
        (lambda one: one["steps"][0].update(deps=3), "at $.steps[0].deps: expected array, got int"),
        (lambda one: one["steps"][0].update(awaits={}), "step 'a': it has one of 'worker', 'workflow' and 'awaits'"),
        (lambda one: one["steps"][1].update(name="a"), "there is a step named 'a' already"),
        (
            lambda one: one["steps"][0].update(worker="fetsh"),
            "worker 'fetsh' is not known in this process, nor described",
        ),
        (
            lambda one: one["steps"][0]["arguments"].update(url={"$parm": "x"}),
            "'$parm' means nothing here; did you mean '$param'?",
        ),
        (
            lambda one: one["steps"][0]["arguments"].update(url={"$param": "x", "y": 1}),
            "an object with '$param' has no key 'y'",
        ),
        (lambda one: one["steps"][0]["arguments"].update(url=[{"$each": [1]}]), "it must be an argument itself"),
        (
            lambda one: one["steps"][0].update(options={"queu": "x"}),
            "a job has no option 'queu'; did you mean 'queue'?",
        ),
        (lambda one: one["steps"][0].update(options={"priority": -1}), "priority=-1 cannot be used"),
        (lambda one: one["steps"][0].update(when={"is": "maybe"}), "step 'a': Invalid value 'maybe'"),
        (lambda one: one["steps"][0].update(runs="sometimes"), "runs='sometimes' cannot be used"),
        (lambda one: one.update(deadline=-1), "deadline=-1.0 cannot be used"),
        (
            lambda one: one["steps"].append({"name": "s", "awaits": {"type": "signal", "within": 3}}),
            "step 's': a step that awaits a signal has no field 'within'",
        ),
        (
            lambda one: one["steps"].append({"name": "s", "awaits": {"type": "signal", "seconds": -3}}),
            "timeout=-3.0 cannot",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_said_in_a_sentence(change, said) -> None:
    assert said in why(changed(holed().to_template(), change), site="x", page=1)


def test_text_that_is_no_template_is_refused() -> None:
    assert "it is not JSON" in why("{")
    assert "it is none; a template begins with" in why("[]")
    assert "it is what to_json() writes" in why(whole().to_json())


def test_arguments_are_checked_against_a_known_worker() -> None:
    with registry.isolated():
        registry.add(fetch)

        def refusal(**arguments: Any) -> str:
            return why(changed(holed().to_template(), lambda one: one["steps"][0].update(arguments=arguments)))

        assert "template fetch: it has no argument 'urls'; did you mean 'url'?" in refusal(urls="x")
        assert "template fetch: it lacks the argument 'url'" in refusal(pages=[])
        assert "template fetch: Expected `int`, got `str` - at `$.pages[0]`" in refusal(url="x", pages=["1"])


def test_the_published_schema_has_the_fields_that_are_read() -> None:
    def fields(definition: Any) -> set[str]:
        return set(definition["properties"])

    parts = SCHEMA["$defs"]
    assert fields(SCHEMA) == set(Template.__struct_fields__)
    assert fields(parts["step"]) == set(StepTemplate.__struct_fields__)
    assert fields(parts["workflow"]) == set(WorkflowTemplate.__struct_fields__)
    assert fields(parts["worker"]) == set(WorkerDescription.__struct_fields__)
    assert fields(parts["options"]) == set(JobOptions.__annotations__)


@pytest.mark.parametrize("file", sorted((Path(__file__).parent / "files").glob("*.json")), ids=lambda file: file.stem)
def test_templates_of_earlier_releases_are_read(file: Path) -> None:
    """A file stays as it is once it is released. `values` in its meta are those of its holes."""
    text = file.read_text()
    flow = Baton.from_template(text, json.loads(text)["meta"]["values"])
    assert [step.name for step in flow.spec().steps] == json.loads(text)["meta"]["steps"]


def test_whatever_a_workflow_or_a_step_is_given_has_a_field() -> None:
    """What a template has no field for would be lost in it."""

    def parameters(function: Any) -> set[str]:
        return set(inspect.signature(function).parameters) - {"self", "cls"}

    resolved = {"ignore_cancelled", "ignore_discarded", "ignore_skipped"}
    of_new = parameters(Baton.new) - resolved - {"workflow_id"}
    called = {"workflow_name": "name", "budget": "budgets"}
    assert {called.get(one, one) for one in of_new} <= set(Template.__struct_fields__)
    assert parameters(Baton.add) - {"what"} <= set(StepTemplate.__struct_fields__)
