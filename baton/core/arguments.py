"""Between a call as it is written and JSON: arguments are bound, checked and encoded, and later put back together."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from inspect import Parameter
from types import GenericAlias
from typing import Any

import msgspec

from baton.core import codec
from baton.core.annotations import names_type, resolved_annotations, value_type, without_controls
from baton.core.provided import provided_types
from baton.core.references import (
    Each,
    Placed,
    ReferenceInside,
    TakenOut,
    fill,
    refuse_reference,
    stands_in,
    take_out,
    take_out_nested,
)
from baton.errors import ArgumentsDoNotFit, NotJSON, ResultNotJSON
from baton.errors.faults import did_you_mean

_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


# A struct and no dataclass: one is made with every job, in a fifth of the time.
class EncodedArguments(msgspec.Struct, frozen=True, gc=False):
    """A call, ready to be stored."""

    args: str
    """A JSON object: arguments by parameter name, null wherever a reference stands."""
    args_in_order: str
    """The same with sets and mappings in an order of their own, for comparing."""
    placed: tuple[Placed, ...]
    faults: tuple[NotJSON, ...]
    """Why arguments are not JSON, one fault an argument; if there are any, `args` is empty."""
    each: tuple[str, ...] = ()
    """The arguments that are lists of which each child of the step gets one item."""


class Parameters:
    """The parameters of one worker's function, read once.

    A parameter annotated with the type `injected`, or with `Provided[...]`, is no argument: it is filled when the step
    runs.
    """

    def __init__(self, worker: str, function: Callable[..., Any], injected: type) -> None:
        self._worker = worker
        self._function = function
        self._injected = injected
        self._annotations = resolved_annotations(function)
        self._all = tuple(inspect.signature(function).parameters.values())
        self.injected_name = self._name_of_injected()
        self.provided = provided_types(self._all, self._annotations)
        self._filled = {*self.provided, self.injected_name}
        own = [parameter for parameter in self._all if parameter.name not in self._filled]
        self._signature = inspect.Signature(own)
        self._optional = frozenset(p.name for p in own if p.default is not Parameter.empty or p.kind in _VARIADIC)
        self._required = frozenset(p.name for p in own) - self._optional
        self._names = tuple(p.name for p in own if p.kind in _BY_NAME)
        self._by_name = frozenset(self._names)
        self._checkers: dict[frozenset[str], codec.Decoder] = {}
        self._takes_any_name = any(p.kind is Parameter.VAR_KEYWORD for p in own)
        self._is_simple = all(parameter.kind in _BY_NAME for parameter in self._all)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by parameter name, in the order of the parameters, defaults left out.

        Raises `TypeError` where the plain call would.
        """
        # inspect takes 2.4 µs for what is almost always a call with keywords alone.
        if not args and self._by_name.issuperset(kwargs) and self._required.issubset(kwargs):
            return {name: kwargs[name] for name in self._names if name in kwargs}
        if self.injected_name in kwargs or any(isinstance(value, self._injected) for value in args):
            raise TypeError(f"{self._worker}: the {self._injected.__name__} is given by the pool; leave it out")
        if given := self.provided.keys() & kwargs:
            raise TypeError(f"{self._worker}: {min(given)!r} is provided by the pool; leave it out")
        if not self._takes_any_name and (unknown := [name for name in kwargs if name not in self._by_name]):
            hint = did_you_mean(unknown[0], self._names) or f"; it takes {', '.join(self._names) or 'none'}"
            raise TypeError(f"{self._worker}: got an unexpected keyword argument {unknown[0]!r}{hint}")
        try:
            return dict(self._signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise TypeError(f"{self._worker}: {error}") from None

    def encode(self, arguments: dict[str, Any]) -> EncodedArguments:
        """Return the arguments as JSON, checked against the annotations where no reference stands in them.

        What is not JSON is a fault in the answer. Raises `TypeError` with the path of what does not fit.
        """
        if not arguments:
            return _NO_ARGUMENTS
        each: tuple[str, ...] = ()
        taken = TakenOut(arguments, ())
        if stands_in(arguments):
            each = tuple([name for name, value in arguments.items() if type(value) is Each])
            arguments = self._with_items(arguments, each) if each else arguments
            taken = take_out(arguments)
        try:
            try:
                text = codec.encode(taken.arguments, refuse_reference)
            except ReferenceInside:
                taken = take_out_nested(arguments)
                inside = sum([len(reference.path) > 1 for reference in taken.placed])
                text = codec.encode(taken.arguments, refuse_reference, nones_inside=inside)
            self._check(taken.arguments, text, taken.placed, each)
        except ReferenceInside as error:
            raise TypeError(f"{self._worker}: {error}") from None
        except NotJSON as error:
            return EncodedArguments("{}", "{}", taken.placed, _faults(taken.arguments) or (error,), each)
        return EncodedArguments(text, _in_order(taken.arguments, text), taken.placed, (), each)

    def decode(
        self,
        args: str,
        references: str | None,
        results: Mapping[str, object],
        states: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of a stored call, typed, with results in the places of the references.

        An argument that lacks the result of one of its references is left out. Raises `ArgumentsDoNotFit`.
        """
        try:
            if references is None:
                if args == "{}" and not self._required:
                    return {}
                return self._present(self._whole.decode(args))
            plain = codec.decode(args)
            fill(plain, references, results, states)
            return self._present(self._whole.convert(plain))
        except Exception as error:  # the types are the user's, and so is the code that validates them
            why = str(error) if isinstance(error, msgspec.MsgspecError) else f"{type(error).__name__}: {error}"
            raise ArgumentsDoNotFit(self._worker, why) from error

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

    @cached_property
    def result_type(self) -> Any:
        """The return annotation without control types; `Any` for none."""
        return without_controls(self._annotations.get("return", Any))

    def parameter_type(self, name: str) -> Any:
        """The annotation of a parameter by name; `Any` for none."""
        return self._types.get(name, Any)

    def has_default(self, parameter: str) -> bool:
        """Tell whether the function can be called without this argument."""
        return parameter in self._optional

    def encode_result(self, value: object) -> str:
        """Return what the function returned as JSON text. Raises `ResultNotJSON`."""
        try:
            text = codec.encode(value)
            if "{" in text and codec.changes_keys(value):
                codec.check_keys("$", value, self.decode_result(text))
        except NotJSON as error:
            raise ResultNotJSON(self._worker, error.path, error.why) from error
        return text

    def decode_result(self, text: str) -> Any:
        """Return a result typed by the return annotation, and as plain JSON if it does not fit that."""
        try:
            return self._result.decode(text)
        except msgspec.ValidationError:
            return codec.decode(text)

    def check_annotations(self) -> None:
        """Raise `TypeError` if values of an annotated type cannot be told apart in JSON, as with `str | datetime`."""
        _ = self._whole, self._checking(frozenset()), self._result

    @cached_property
    def _types(self) -> Mapping[str, Any]:
        return {parameter.name: self._type_of(parameter) for parameter in self._signature.parameters.values()}

    @cached_property
    def _whole(self) -> codec.Decoder:
        return self._arguments_decoder(self._types, self._optional)

    def _checking(self, referenced: frozenset[str]) -> codec.Decoder:
        """Return what reads arguments as they are before the results of others are in their places."""
        if (decoder := self._checkers.get(referenced)) is None:
            types = {name: Any if name in referenced else kind for name, kind in self._types.items()}
            decoder = self._checkers[referenced] = self._arguments_decoder(types, self._optional | self._required)
        return decoder

    @cached_property
    def _result(self) -> codec.Decoder:
        return self._decoder("the result", self.result_type)

    def _arguments_decoder(self, types: Mapping[str, Any], optional: frozenset[str]) -> codec.Decoder:
        for name, kind in types.items():
            self._decoder(f"parameter {name!r}", kind)
        fields = [(n, t, msgspec.UNSET) if n in optional else (n, t) for n, t in types.items()]
        return codec.Decoder(msgspec.defstruct(self._worker, fields, kw_only=True, forbid_unknown_fields=True))

    def _decoder(self, what: str, kind: Any) -> codec.Decoder:
        try:
            return codec.Decoder(kind)
        except TypeError as error:
            raise TypeError(f"{self._worker}: {what} is annotated with a type JSON cannot carry: {error}") from None

    def _type_of(self, parameter: Parameter) -> Any:
        annotation = value_type(self._annotations.get(parameter.name, Any))
        match parameter.kind:
            case Parameter.VAR_POSITIONAL:
                return GenericAlias(list, (annotation,))
            case Parameter.VAR_KEYWORD:
                return GenericAlias(dict, (str, annotation))
            case _:
                return annotation

    def _name_of_injected(self) -> str | None:
        names = [p.name for p in self._all if names_type(self._annotations.get(p.name), self._injected)]
        if len(names) > 1:
            raise TypeError(f"{self._worker}: only one parameter may be a {self._injected.__name__}, not {len(names)}")
        return names[0] if names else None

    def _with_items(self, arguments: dict[str, Any], each: tuple[str, ...]) -> dict[str, Any]:
        """Return the arguments with lists, or references to such, in place of each `each`."""
        if variadic := [name for name in each if name not in self._by_name]:
            raise TypeError(f"{self._worker}: each(...) cannot be given to {variadic[0]!r}, which takes any number")
        opened = {name: value.items if type(value) is Each else value for name, value in arguments.items()}
        lengths = {name: len(items) for name in each if isinstance(items := opened[name], list)}
        if len(set(lengths.values())) > 1:
            told = " and ".join(f"{name!r} has {length:,} items" for name, length in lengths.items())
            raise TypeError(f"{self._worker}: the lists of several each(...) must agree in length: {told}")
        return opened

    def _check(self, arguments: dict[str, Any], text: str, placed: tuple[Placed, ...], each: tuple[str, ...]) -> None:
        referenced: set[str] = set()
        if placed or each:
            referenced.update([str(reference.path[0]) for reference in placed])
            for name in each:
                if name not in referenced:
                    self._check_items(name, arguments[name])
            referenced.update(each)
        try:
            decoded = self._checking(frozenset(referenced)).decode(text)
        except msgspec.ValidationError as error:
            raise TypeError(f"{self._worker}: {error}") from None
        if text.count("{") > 1 and codec.changes_keys(arguments):
            for name, value in arguments.items():
                if name not in referenced and codec.changes_keys(value):
                    codec.check_keys(f"$.{name}", value, getattr(decoded, name))

    def _check_items(self, name: str, items: list[Any]) -> None:
        kind = self._types[name]
        try:
            codec.Decoder(GenericAlias(list, (kind,))).decode(codec.encode(items))
        except msgspec.ValidationError as error:
            raise TypeError(f"{self._worker}: an item of each(...) for {name!r} does not fit: {error}") from None

    def _present(self, decoded: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = msgspec.structs.asdict(decoded)
        if self._optional:
            return {name: value for name, value in arguments.items() if value is not msgspec.UNSET}
        return arguments


_NO_ARGUMENTS = EncodedArguments("{}", "{}", (), ())


def _in_order(arguments: dict[str, Any], text: str) -> str:
    if "[" not in text and text.count("{") == 1:
        return text
    return codec.encode_in_order(arguments) or text


def _faults(arguments: dict[str, Any]) -> tuple[NotJSON, ...]:
    faults = []
    for name, value in arguments.items():
        try:
            codec.encode(value, refuse_reference)
        except NotJSON as error:
            faults.append(NotJSON(f"$.{name}{error.path[1:]}", error.why))
    return tuple(faults)


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
