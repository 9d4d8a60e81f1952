"""Which function a worker's name stands for: one that was defined again replaces itself, another one is refused."""

from __future__ import annotations

import ast
import importlib
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from baton.core import registry
from baton.core.context import Context
from baton.core.worker import AnyWorker, worker
from baton.errors import DuplicateWorker

ROOT = Path(__file__).resolve().parents[2]
FACTORY = """
from baton import worker

def make(answer, **options):
    async def inner():
        return answer
    return worker(**options)(inner)
"""
BARE_DECORATOR = """
def logged(function):
    async def wrapper(*args):
        return await function(*args)
    return wrapper
"""
SEND = """
from baton import worker
{imports}
@worker{arguments}
async def send():
    return {answer!r}
"""


@pytest.fixture(autouse=True)
def _own_registry() -> Iterator[None]:
    with registry.isolated():
        yield


Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Write modules and import them; a module that is written again is reloaded."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loaded: set[str] = set()

    def load(name: str, text: str) -> ModuleType:
        (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        loaded.add(name)
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield load
    for name in loaded:
        sys.modules.pop(name, None)


async def answer_of(name: str) -> Any:
    found = registry.get(name)
    assert found is not None
    return await found.call({}, None)


async def test_a_worker_is_found_by_its_name(load: Load) -> None:
    module = load("jobs_one", SEND.format(imports="", arguments="", answer=1))
    assert registry.get("send") is module.send
    assert "send" in registry.names()
    assert registry.get("nothing") is None


def test_isolated_forgets_what_was_registered_inside() -> None:
    with registry.isolated():
        worker(name="test inside")(lambda: None)
    assert registry.get("test inside") is None


# --- one qualified name, two functions


def test_two_workers_of_one_factory_are_refused(load: Load) -> None:
    factory = load("factory", FACTORY)
    charge = factory.make("charged")
    with pytest.raises(DuplicateWorker) as caught:
        factory.make("refunded")
    assert str(caught.value) == (
        f"two different functions are registered as worker 'inner': factory.make.<locals>.inner (one definition, "
        f"{factory.__file__}:5, made both, and what it encloses differs: a factory, or a decorator without "
        f"functools.wraps); give each a name of its own with worker(name=...)"
    )
    assert registry.get("inner") is charge


async def test_workers_of_one_factory_are_two_under_names_of_their_own(load: Load) -> None:
    factory = load("factory", FACTORY)
    charge, refund = factory.make("charged", name="charge"), factory.make("refunded", name="refund")
    assert (await answer_of("charge"), await answer_of("refund")) == ("charged", "refunded")
    assert (charge.new().worker.name, refund.new().worker.name) == ("charge", "refund")


def test_a_factory_called_again_with_the_same_values_makes_the_same_worker(load: Load) -> None:
    factory = load("factory", FACTORY)
    factory.make(["a"])
    again = factory.make(["a"])
    assert registry.get("inner") is again


def test_functions_that_differ_in_their_defaults_are_two() -> None:
    def make(answer: int) -> AnyWorker:
        @worker
        def inner(value: int = answer, *, other: int = answer) -> int:
            return value + other

        return inner

    make(1)
    with pytest.raises(DuplicateWorker):
        make(2)


@pytest.mark.parametrize("wraps", ["", "@functools.wraps(function)"])
def test_two_functions_under_one_decorator_are_two(load: Load, wraps: str) -> None:
    """Without `functools.wraps` both are named `wrapper`; with it each has a name of its own."""
    text = BARE_DECORATOR.replace("    async def wrapper", f"    {wraps}\n    async def wrapper")
    load("decorators", "import functools\n" + text)
    body = "\n".join(f"@worker\n@logged\nasync def {name}():\n    return {name!r}" for name in ("charge", "refund"))
    module = f"from baton import worker\nfrom decorators import logged\n{body}\n"
    if wraps:
        jobs = load("jobs_decorated", module)
        assert registry.get("charge") is jobs.charge
        assert registry.get("refund") is jobs.refund
    else:
        with pytest.raises(DuplicateWorker, match=r"a decorator without functools\.wraps"):
            load("jobs_decorated", module)


def test_a_name_defined_twice_in_one_module_is_refused(load: Load) -> None:
    text = SEND.format(imports="", arguments="", answer=1)
    with pytest.raises(DuplicateWorker) as caught:
        load("jobs_twice", text + text)
    assert "jobs_twice.send (" in str(caught.value)
    assert ".py:4) and jobs_twice.send (" in str(caught.value)


def test_one_module_of_two_that_call_a_factory_is_refused(load: Load) -> None:
    load("factory", FACTORY)
    load("jobs_one", "from factory import make\ncharge = make(object())")
    with pytest.raises(DuplicateWorker):
        load("jobs_two", "from factory import make\nrefund = make(object())")


def test_functions_of_two_modules_are_two(load: Load) -> None:
    load("jobs_one", SEND.format(imports="", arguments="", answer=1))
    with pytest.raises(DuplicateWorker) as caught:
        load("jobs_two", SEND.format(imports="", arguments="", answer=2))
    assert str(caught.value) == (
        "two different functions are registered as worker 'send': jobs_one.send and jobs_two.send; give each a name "
        "of its own with worker(name=...)"
    )


def test_what_a_thread_registers_is_distinguished_too(load: Load) -> None:
    factory = load("factory", FACTORY)
    errors: list[Exception] = []

    def register() -> None:
        try:
            factory.make(1)
            factory.make(2)
        except DuplicateWorker as error:
            errors.append(error)

    thread = threading.Thread(target=register)
    thread.start()
    thread.join()
    assert len(errors) == 1


# --- one function, defined again


@pytest.mark.parametrize("edit", ["", "\n\n# a line more"])
async def test_a_reloaded_module_replaces_its_workers(load: Load, edit: str) -> None:
    load("jobs_one", SEND.format(imports="", arguments="", answer=1))
    again = load("jobs_one", SEND.format(imports=edit, arguments="", answer=2))
    assert registry.get("send") is again.send
    assert await answer_of("send") == 2


async def test_a_reloaded_module_replaces_what_a_factory_of_another_made_for_it(load: Load) -> None:
    load("factory", FACTORY)
    load("jobs_one", "from factory import make\ncharge = make(object())")
    again = load("jobs_one", "from factory import make\ncharge = make(2)")
    assert registry.get("inner") is again.charge


async def test_a_reloaded_module_replaces_what_it_decorated(load: Load) -> None:
    load("decorators", BARE_DECORATOR)
    imports = "from decorators import logged\n"
    load("jobs_one", SEND.format(imports=imports, arguments="\n@logged", answer=1))
    load("jobs_one", SEND.format(imports=imports, arguments="\n@logged", answer=2))
    assert await answer_of("wrapper") == 2


def test_a_file_that_runs_as_a_program_may_be_imported_again(tmp_path: Path) -> None:
    """Its functions are the same ones in `__main__`, under its own name, and in a child process in `__mp_main__`."""
    program = tmp_path / "program.py"
    program.write_text(
        SEND.format(imports="import multiprocessing, sys", arguments="", answer=1)
        + """
def in_child():
    import program
    from baton.core import registry
    print(sorted(registry.names()), send.module, registry.get("send").module, flush=True)

if __name__ == "__main__":
    import program
    assert program.send is not send
    process = multiprocessing.get_context("spawn").Process(target=in_child)
    process.start()
    process.join()
"""
    )
    done = subprocess.run(
        [sys.executable, str(program)],
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['send'] __mp_main__ program\n"
    assert multiprocessing.parent_process() is None


def run_cell(namespace: dict[str, Any], number: int, text: str) -> None:
    """Run a notebook cell as IPython does: each statement is compiled by itself."""
    for statement in ast.parse(text).body:
        code = compile(ast.Module([statement], []), f"/tmp/ipykernel_1/{number}.py", "exec")
        exec(code, namespace)


@pytest.fixture
def notebook() -> dict[str, Any]:
    return {"__name__": "__main__"}


@pytest.mark.parametrize("number", [1, 2])
async def test_a_notebook_cell_that_runs_again_replaces_its_workers(notebook: dict[str, Any], number: int) -> None:
    """IPython gives a cell that was edited another number."""
    run_cell(notebook, 1, SEND.format(imports="", arguments="", answer=1))
    run_cell(notebook, number, SEND.format(imports="import sys", arguments="", answer=2))
    assert await answer_of("send") == 2


async def test_a_decorated_function_of_a_notebook_may_be_defined_again(notebook: dict[str, Any]) -> None:
    run_cell(notebook, 1, BARE_DECORATOR)
    run_cell(notebook, 2, SEND.format(imports="", arguments="\n@logged", answer=1))
    run_cell(notebook, 3, SEND.format(imports="", arguments="\n@logged", answer=2))
    assert await answer_of("wrapper") == 2


def test_two_workers_of_a_factory_in_one_notebook_cell_are_refused(notebook: dict[str, Any]) -> None:
    run_cell(notebook, 1, FACTORY)
    with pytest.raises(DuplicateWorker):
        run_cell(notebook, 2, "charge = make(1)\nrefund = make(2)")


# --- another name for a worker


async def test_a_renamed_worker_is_found_under_its_old_name_too() -> None:
    @worker(queue="mail", max_attempts=3, backoff=7)
    async def send(ctx: Context, to: str) -> str:
        return f"{to} by {ctx.step}"

    alias = worker(name="send mail")(send)
    assert registry.get("send mail") is alias
    assert registry.get("send") is send
    assert (alias.options, alias.backoff, alias.executor) == (send.options, send.backoff, "async")
    context = Context("w", None, "s", 1, 3, {})
    assert await alias.call(alias.bind_json('{"to":"Ann"}', None, {}), context) == "Ann by s"
    assert alias.new(to="Ann").spec().steps[0].terms.worker == "send mail"


def test_an_alias_belongs_to_the_module_that_registers_it(load: Load) -> None:
    """A process that runs a step under that name imports this module, and finds the name registered."""
    load("jobs_one", SEND.format(imports="", arguments="", answer=1))
    names = load("jobs_names", "from baton import worker\nfrom jobs_one import send\nold = worker(name='old')(send)")
    assert names.old.module == "jobs_names"


def test_an_alias_may_not_take_the_name_of_another_function() -> None:
    worker(name="old")(lambda: 1)
    with pytest.raises(DuplicateWorker):
        worker(name="old")(worker(name="new")(lambda: 2))


@pytest.mark.parametrize(
    ("decorate", "message"),
    [
        (worker, "'send' is a worker already; worker(name=...)(send) registers it under another name as well"),
        (
            worker(name="old", queue="other"),
            "worker(name='old') gives another name to worker 'send', which keeps its options; leave the others out,",
        ),
    ],
    ids=["without a name", "with options"],
)
def test_a_worker_is_registered_again_under_another_name_alone(decorate: Any, message: str) -> None:
    @worker
    def send() -> None: ...

    with pytest.raises(TypeError) as caught:
        decorate(send)
    assert message in str(caught.value)
