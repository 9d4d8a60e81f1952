"""What is easily written wrong at first is answered with what to write in its place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baton import Baton, Engine, InvalidOption, Limits, Run, WorkerPool, insert_many, worker

ADDRESS = "postgresql://localhost/app"


async def plain() -> None: ...


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: worker(que="web")(plain), "did you mean 'queue'?"),
        (lambda: Baton.new(worklow_id="a"), "did you mean 'workflow_id'?"),
        (lambda: Baton.new().add("a", plain, dep=["b"]), "did you mean 'deps'?"),
        (lambda: Baton.new().add("a", plain, ignore_discard=True), "did you mean 'ignore_discarded'?"),
        (lambda: Engine(adress=ADDRESS), "did you mean 'address'?"),
        (lambda: WorkerPool(queue={"web": 1}), "did you mean 'queues'?"),
    ],
)
def test_a_misspelt_keyword_is_answered_with_the_nearest_one(make, hint):
    """By Python itself from 3.13."""
    with pytest.raises(TypeError) as raised:
        make()

    assert hint in str(raised.value).replace(". Did", "; did")


def test_a_type_error_of_a_correct_call_is_left_as_it_is():
    with pytest.raises(TypeError) as raised:
        Baton.new().add("a", plain, deps=[])

    assert str(raised.value).endswith("register it with @worker and add function.new(...)")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (Baton, "a workflow begins with Baton.new(...)"),
        (lambda: Baton("compare"), "a workflow begins with Baton.new(...)"),
        (lambda: WorkerPool(ADDRESS), "a WorkerPool takes an Engine, not str: write WorkerPool(Engine(...))"),
        (lambda: Run("a", ADDRESS), "using= takes an Engine, not str"),
    ],
)
def test_one_thing_in_place_of_another_is_a_type_error_with_the_remedy(make, says):
    with pytest.raises(TypeError) as raised:
        make()

    assert says in str(raised.value)


async def test_what_cannot_be_inserted_together_is_named(quick):
    with pytest.raises(TypeError, match=r"insert_many takes a list; insert one workflow or job with its own insert"):
        await insert_many(quick.new())
    with pytest.raises(TypeError, match=r"not Worker; did you mean quick\.new\(\.\.\.\)\?"):
        await insert_many([quick])


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Engine(Path("/app")), "address=<class 'pathlib.PosixPath'> cannot be used: it must be a string"),
        (lambda: Engine(ADDRESS, schema=3), "schema=<class 'int'> cannot be used: it must be a string"),
        (lambda: Engine(ADDRESS, connections=0), "connections=0 cannot be used: it must be an integer of at least 1"),
        (lambda: Engine(ADDRESS, limits=1000), "limits=1000 cannot be used: it must be Limits(...)"),
        (lambda: Limits(steps=0), "steps=0 cannot be used: it must be an integer of at least 1"),
        (lambda: WorkerPool(queues=["web"]), "it says how many steps of each queue run at once, as in {'default': 20}"),
        (lambda: WorkerPool(provide=ThreadPoolExecutor), "it must be a list, as in provide=[Client]"),
        (lambda: WorkerPool(observers=print), "it must be a list, as in observers=[note_event]"),
        (lambda: WorkerPool(redact="secret"), "it must be a function that takes a text"),
        (lambda: WorkerPool(executors=[]), "it gives each executor a name, as in {'reports': executor}"),
    ],
)
def test_an_argument_of_another_kind_is_an_invalid_option(make, says):
    with pytest.raises(InvalidOption) as raised:
        make()

    assert says in str(raised.value)
