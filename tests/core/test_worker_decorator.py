from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from baton.core import registry
from baton.core.context import Context
from baton.core.worker import worker
from baton.errors import DuplicateWorker, InvalidName, InvalidOption

with registry.isolated():

    @worker
    async def fetch(url: str) -> str:
        return url

    @worker
    def report(ctx: Context, left: dict[str, int]) -> str:
        return f"{ctx.step} {left}"


class Page:
    def read(self) -> None: ...

    @staticmethod
    def parsed() -> None: ...


async def test_a_worker_stays_the_function_it_is() -> None:
    assert await fetch("x") == "x"
    assert report(Context("w", None, "s", 1, 20, {}), {"a": 1}) == "s {'a': 1}"
    assert fetch.__name__ == "fetch"


def test_a_worker_is_named_as_its_function_and_registered() -> None:
    @worker
    def one() -> None: ...

    @worker(name="the other")
    def two() -> None: ...

    assert registry.get("one") is one
    assert registry.get("the other") is two


def test_options_are_those_of_the_decorator() -> None:
    @worker(queue="web", priority=2, max_attempts=5, timeout=timedelta(minutes=1), backoff=3)
    async def one() -> None: ...

    assert (one.options.queue, one.options.priority, one.options.max_attempts) == ("web", 2, 5)
    assert one.options.timeout == 60.0
    assert one.backoff.delay(9) == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queue": ""}, "queue='' cannot be used: it must not be empty"),
        ({"queue": "a\x00"}, "queue='a\\x00' cannot be used: it contains the character '\\x00', which cannot be"),
        ({"queue": None}, "queue=None cannot be used: it must be a string, not NoneType"),
        ({"queue": "q" * 201}, "it has 201 characters, and at most 200 are allowed"),
        ({"priority": -1}, "priority=-1 cannot be used: it must be between 0 and 32767"),
        ({"priority": True}, "priority=True cannot be used: it must be an integer"),
        ({"max_attempts": 0}, "max_attempts=0 cannot be used: it must be between 1 and 32767"),
        ({"timeout": 0}, "timeout=0 cannot be used: it must be more than 0 seconds; None means no limit"),
        ({"timeout": math.inf}, "timeout=inf cannot be used: it must be 0 or more seconds, and at most a hundred"),
        ({"timeout": "5"}, "timeout='5' cannot be used: it must be a number of seconds or a timedelta"),
        ({"executor": 5}, "executor=5 cannot be used: it must be 'async', 'thread', 'process', or the name of one of"),
    ],
    ids=str,
)
def test_an_invalid_option_is_refused_with_a_reason(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        worker(name="x", **options)(lambda: None)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a[0]", "x" * 201, "a\nb", 5])
def test_an_invalid_worker_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidName):
        worker(name=name)(lambda: None)


def test_two_functions_of_one_name_are_refused() -> None:
    @worker(name="one")
    def first() -> None: ...

    with pytest.raises(DuplicateWorker, match=r"registered as worker 'one': .*first and .*second"):

        @worker(name="one")
        def second() -> None: ...


def test_the_executor_follows_from_the_kind_of_function() -> None:
    assert fetch.executor == "async"
    assert report.executor == "thread"


async def an_async_function() -> None: ...


def a_generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "executor", "message"),
    [
        (lambda: None, "async", "is not async and would block the event loop; use executor='thread'"),
        (an_async_function, "process", "is async and runs in the event loop; leave out executor='process'"),
        (an_async_function, "thread", "is async and runs in the event loop; leave out executor='thread'"),
        (lambda: None, "process", "cannot be imported by another process; define it at a module's top level"),
        (a_generator, None, "is a generator; a worker returns its result as one value"),
        (Page, None, "@worker takes a function, and this is the class Page; write a function that makes and uses it"),
        (Page().read, None, "this is the method Page.read; write a function that calls it on an object of its own"),
        (Page.read, None, "worker 'Page.read' is a method; there is no object to call it on when a job of it runs"),
        (Page.__dict__["parsed"], None, "this is a staticmethod object; write @staticmethod above @worker"),
        (a_generator(), None, "this is a generator, the call a_generator(); a worker returns its result as one value"),
        (partial(print, 1), None, "this is a functools.partial; write a function that calls it"),
        (5, None, "this is 5, of type int; put what it does into a function"),
    ],
)
def test_a_function_that_cannot_be_a_worker_is_refused(function: Any, executor: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        worker(name="x", executor=executor)(function)
    assert message in str(caught.value)


async def test_the_call_of_an_async_function_is_no_function() -> None:
    """The coroutine is closed, so that Python does not warn that nobody awaited it."""
    with pytest.raises(TypeError) as caught:
        worker(an_async_function())  # type: ignore[call-overload]
    assert str(caught.value) == (
        "@worker takes a function, and this is a coroutine, the call an_async_function(); give the function itself, "
        "without calling it"
    )


def test_a_static_method_may_be_a_worker() -> None:
    class Mail:
        @staticmethod
        @worker
        def send(to: str) -> str:
            return to

    assert Mail.send("Ann") == "Ann"


def test_a_lambda_needs_a_name() -> None:
    with pytest.raises(TypeError, match="a lambda has no name of its own"):
        worker(lambda: None)
