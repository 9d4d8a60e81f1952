"""The signature of a worker's function: what `new` takes, what the pool fills in, and how the call is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from types import GenericAlias
from typing import Any

from baton.core.annotations import Annotations, names_type
from baton.core.provided import provided_types
from baton.errors.texts import did_you_mean

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Signature:
    """The parameters of one worker's function, read once.

    A parameter annotated with the type `injected`, or with `Provided[...]`, is not an argument: it is filled when the
    step runs.

    Raises: TypeError for a function with two parameters of the injected type, or one that cannot be provided.
    """

    def __init__(self, worker: str, function: Callable[..., Any], injected: type) -> None:
        self._worker = worker
        self._function = function
        self._injected = injected
        self.annotations = Annotations(function)
        self._all = tuple(inspect.signature(function).parameters.values())
        self.injected_name = self._name_of_injected()
        self.provided = provided_types(self._all, self.annotations)
        own = [p for p in self._all if p.name not in self.provided and p.name != self.injected_name]
        self._own = inspect.Signature(own)
        self.optional = frozenset(p.name for p in own if p.default is not Parameter.empty or p.kind in _VARIADIC)
        self.required = frozenset(p.name for p in own) - self.optional
        self._names = tuple(p.name for p in own if p.kind in _BY_NAME)
        self.by_name = frozenset(self._names)
        """The parameters that may be given by name."""
        self._takes_any_name = any(p.kind is Parameter.VAR_KEYWORD for p in own)
        self._is_simple = all(p.kind in _BY_NAME for p in self._all)

    def kinds(self) -> dict[str, Any]:
        """Return the types of the arguments by parameter name."""
        return {parameter.name: self._kind(parameter) for parameter in self._own.parameters.values()}

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by parameter name, in the order of the parameters, defaults left out.

        Raises `TypeError` where the plain call would.
        """
        # inspect takes 2.4 µs for what is almost always a call with keywords alone.
        if not args and self.by_name.issuperset(kwargs) and self.required.issubset(kwargs):
            return {name: kwargs[name] for name in self._names if name in kwargs}
        if self.injected_name in kwargs or any(isinstance(value, self._injected) for value in args):
            raise TypeError(f"{self._worker}: the {self._injected.__name__} is given by the pool; leave it out")
        if given := self.provided.keys() & kwargs:
            raise TypeError(f"{self._worker}: {min(given)!r} is provided by the pool; leave it out")
        if not self._takes_any_name and (unknown := [name for name in kwargs if name not in self.by_name]):
            hint = did_you_mean(unknown[0], self._names) or f"; it takes {', '.join(self._names) or 'none'}"
            raise TypeError(f"{self._worker}: got an unexpected keyword argument {unknown[0]!r}{hint}")
        try:
            return dict(self._own.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self._worker}: {error}") from None

    def call(self, arguments: dict[str, Any], injected: object) -> Any:
        """Call the function and return what it returns, which is a coroutine if the function is async."""
        if self.injected_name is not None:
            arguments = {**arguments, self.injected_name: injected}
        if self._is_simple:
            return self._function(**arguments)
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in self._all:
            _place(parameter, arguments, positional, named)
        return self._function(*positional, **named)

    def _kind(self, parameter: Parameter) -> Any:
        kind = self.annotations.kind(parameter.name)
        match parameter.kind:
            case Parameter.VAR_POSITIONAL:
                return GenericAlias(list, (kind,))
            case Parameter.VAR_KEYWORD:
                return GenericAlias(dict, (str, kind))
            case _:
                return kind

    def _name_of_injected(self) -> str | None:
        names = [p.name for p in self._all if names_type(self.annotations.written(p.name), self._injected)]
        if len(names) > 1:
            raise TypeError(f"{self._worker}: only one parameter may be a {self._injected.__name__}, not {len(names)}")
        return names[0] if names else None


def _place(parameter: Parameter, arguments: dict[str, Any], positional: list[Any], named: dict[str, Any]) -> None:
    is_given = parameter.name in arguments
    match parameter.kind:
        case Parameter.POSITIONAL_ONLY | Parameter.POSITIONAL_OR_KEYWORD:
            positional.append(arguments[parameter.name] if is_given else parameter.default)
        case Parameter.VAR_POSITIONAL if is_given:
            positional.extend(arguments[parameter.name])
        case Parameter.KEYWORD_ONLY if is_given:
            named[parameter.name] = arguments[parameter.name]
        case Parameter.VAR_KEYWORD if is_given:
            named.update(arguments[parameter.name])
