"""Where a worker's function comes from, and whether two functions are one that was defined again."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

MAX_COMPARED_DEPTH = 5
"""Functions within closures within closures; deeper ones count as different."""


@dataclass(frozen=True, slots=True)
class ModuleRun:
    """One execution of a module's top level, during which a worker was registered."""

    file: str | None
    """The module's file; None in a notebook and at a prompt, where each statement is a module of its own."""
    code: weakref.ref[CodeType]
    """Of the module. A reload compiles another one, and then this one is gone."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a function comes from; taken when it is registered."""

    function: FunctionType
    module: str
    qualname: str
    source: str | None
    """The file it was read from; None if it came from none."""
    line: int
    module_run: ModuleRun | None
    """None if no module was being executed, as in a thread."""
    scope: weakref.ref[CodeType] | None
    """The code in which its `def` stands, if that was being executed."""

    def __str__(self) -> str:
        return f"{self.module}.{self.qualname}"

    @property
    def place(self) -> str:
        """File and line, for telling apart two functions of one qualified name."""
        return f"{self.function.__code__.co_filename}:{self.line}"


def origin_of(function: Any) -> Origin:
    """Return where a function comes from. To be called while it is being registered."""
    code = function.__code__
    return Origin(
        function=function,
        module=function.__module__,
        qualname=function.__qualname__,
        source=_source(_unwrapped(function).__code__),
        line=code.co_firstlineno,
        module_run=_module_run(sys._getframe(1)),
        scope=_scope(code, sys._getframe(1)),
    )


def is_same_function(known: Origin, new: Origin) -> bool:
    """Return whether two origins are of one function, which a module that was loaded again defined again.

    A file that runs as a program may be imported again under its own name, and by a child process a third time: its
    functions are the same ones in `__main__`, `app` and `__mp_main__`. A notebook cell that runs again defines its
    functions again. But a factory, and a decorator without `functools.wraps`, give one qualified name to functions
    that do different things.
    """
    if known.function is new.function:
        return True
    if known.qualname != new.qualname:
        return False
    if known.module != new.module and (known.source is None or known.source != new.source):
        return False
    compiled_once = _codes_of_one_compilation(known, new)
    if known.function.__code__ is not new.function.__code__:
        return not _stand_in(compiled_once, known.function, new.function)
    return _is_run_again(known.module_run, new.module_run) or _are_alike(known.function, new.function, compiled_once)


def made_by_one_definition(known: Origin, new: Origin) -> bool:
    """Return whether both functions come from one `def`, run twice: by a factory, a decorator or a loop."""
    return known.function.__code__ is new.function.__code__


def _is_run_again(known: ModuleRun | None, new: ModuleRun | None) -> bool:
    if known is None or new is None or known.file is None:
        return False
    return known.file == new.file and known.code() is not new.code()


def _codes_of_one_compilation(known: Origin, new: Origin) -> frozenset[int]:
    """Return the ids of all code objects in the texts that were being executed at both registrations.

    Two functions whose code is among them stand side by side in one text. If one had been defined again by a reload,
    its code would belong to another compilation.
    """
    pairs = [(known.scope, new.scope)]
    if known.module_run is not None and new.module_run is not None:
        pairs.append((known.module_run.code, new.module_run.code))
    shared = [new_code() for known_code, new_code in pairs if known_code and new_code and known_code() is new_code()]
    return frozenset([id(inner) for code in shared if code is not None for inner in _all_codes(code)])


def _stand_in(codes: frozenset[int], one: FunctionType, other: FunctionType) -> bool:
    return {id(one.__code__), id(other.__code__)} <= codes


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    open_ = [code]
    while open_:
        inner = open_.pop()
        yield inner
        open_ += [constant for constant in inner.co_consts if isinstance(constant, CodeType)]


def _are_alike(known: FunctionType, new: FunctionType, compiled_once: frozenset[int], depth: int = 0) -> bool:
    """Return whether two functions of one code have the same closure and defaults, so that they do the same."""
    if depth > MAX_COMPARED_DEPTH:
        return False
    return all(
        len(ones) == len(others)
        and all(_is_alike(one, other, compiled_once, depth) for one, other in zip(ones, others, strict=True))
        for ones, others in zip(_surroundings(known), _surroundings(new), strict=True)
    )


def _surroundings(function: FunctionType) -> tuple[list[Any], ...]:
    return (
        [_content(cell) for cell in function.__closure__ or ()],
        list(function.__defaults__ or ()),
        [item for pair in sorted((function.__kwdefaults__ or {}).items()) for item in pair],
    )


_EMPTY = object()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a recursive function's own name is not bound yet
        return _EMPTY


def _is_alike(one: Any, other: Any, compiled_once: frozenset[int], depth: int) -> bool:
    if one is other:
        return True
    one, other = _plain_function(one), _plain_function(other)
    if not (isinstance(one, FunctionType) and isinstance(other, FunctionType)):
        return _are_equal(one, other)
    if (one.__module__, one.__qualname__) != (other.__module__, other.__qualname__):
        return False
    if one.__code__ is not other.__code__:
        return not _stand_in(compiled_once, one, other)
    return _are_alike(one, other, compiled_once, depth + 1)


def _are_equal(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # noqa: BLE001  # `==` is the user's code
        return False


def _plain_function(value: Any) -> Any:
    """Return the function of a worker; anything else as it is."""
    origin = getattr(value, "__dict__", {}).get("origin")
    return origin.function if isinstance(origin, Origin) else value


def _module_run(frame: FrameType | None) -> ModuleRun | None:
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    if frame is None:
        return None
    return ModuleRun(frame.f_globals.get("__file__"), weakref.ref(frame.f_code))


def _scope(code: CodeType, frame: FrameType | None) -> weakref.ref[CodeType] | None:
    while frame is not None:
        if any(constant is code for constant in frame.f_code.co_consts):
            return weakref.ref(frame.f_code)
        frame = frame.f_back
    return None


def _source(code: CodeType) -> str | None:
    file = code.co_filename
    return None if file.startswith("<") else str(Path(file).resolve())


def _unwrapped(function: Callable[..., Any]) -> Any:
    """Return the function that `functools.wraps` was given, however deep."""
    seen = {id(function)}
    while isinstance(inner := getattr(function, "__wrapped__", None), FunctionType) and id(inner) not in seen:
        seen.add(id(inner))
        function = inner
    return function
