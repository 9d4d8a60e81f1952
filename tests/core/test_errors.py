"""The texts of errors: short enough to be read, whatever the names and however many the faults."""

from __future__ import annotations

import pickle

import pytest

from baton.core.references import result_of
from baton.core.worker import worker
from baton.core.workflow import Baton
from baton.errors import DuplicateStep, InvalidWorkflow, NotJSON, RetryRefused, StepFailed, StepNotFound
from baton.errors.control_faults import NothingToClose
from baton.errors.faults import ArgumentNotJSON, Cycle, EmptyGroup, Fault, SelfDependency, UnknownDependency

pytestmark = pytest.mark.usefixtures("own_workers")

DEEP = "/".join(f"level {number} of a deep workflow" for number in range(100))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (StepFailed(DEEP, "ValueError: no", "w"), " of workflow 'w' failed: ValueError: no"),
        (StepNotFound("w", DEEP), "workflow 'w' has no step "),
        (DuplicateStep(DEEP), " already; give this one another name"),
        (RetryRefused({DEEP: "executing"}), " is executing; wait for them, or cancel them first"),
        (NotJSON(f"$.{DEEP.replace('/', '.')}", "nan has no form in JSON"), ": nan has no form in JSON"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_a_step_100_groups_deep_shows_its_sentence(error: Exception, sentence: str) -> None:
    text = str(error)
    assert sentence in text
    assert len(text) < 400
    assert "level 0 of a deep workflow" in text
    assert "level 99 of a deep workflow" in text


@pytest.mark.parametrize(
    "fault",
    [
        SelfDependency(DEEP),
        UnknownDependency(DEEP, DEEP, []),
        EmptyGroup(DEEP),
        ArgumentNotJSON(DEEP, f"$.{DEEP}", "why"),
        NothingToClose(DEEP),
        Cycle((DEEP, DEEP)),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_of_a_step_100_groups_deep_can_be_read(fault: Fault) -> None:
    assert len(str(fault)) < 800


def test_the_text_names_at_most_twenty_faults_and_the_error_holds_all() -> None:
    @worker
    async def take(value: int) -> None: ...

    flow = Baton.new()
    for number in range(51):
        flow.add(f"s{number}", take.new(result_of(f"gone {number}")))
    with pytest.raises(InvalidWorkflow) as caught:
        flow.validate()
    lines = str(caught.value).splitlines()
    assert lines[0] == "the workflow has 51 faults:"
    assert lines[1].startswith("- step 's0' depends on 'gone 0'")
    assert lines[20].startswith("- step 's19' depends on 'gone 19'")
    assert lines[21:] == ["and 31 more"]
    assert len(caught.value.faults) == 51


def test_twenty_faults_are_named_in_full() -> None:
    error = InvalidWorkflow([EmptyGroup(f"s{number}") for number in range(20)])
    assert str(error).count("\n- step") == 20
    assert str(error).splitlines()[-1].startswith("- step 's19'")


def test_a_refused_retry_names_at_most_twenty_steps() -> None:
    error = RetryRefused({f"s{number}": "executing" for number in range(1_020)})
    assert "'s19' is executing and 1,000 more; wait for them" in str(error)
    assert len(pickle.loads(pickle.dumps(error)).states) == 1_020
