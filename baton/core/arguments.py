"""The arguments of a call as JSON, and back: bound, checked and encoded in one process, decoded in another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from baton.core import codec
from baton.core.argument_types import ArgumentTypes
from baton.core.error_texts import misfit_text
from baton.core.holes import Hole
from baton.core.places import Path
from baton.core.references import (
    STAND_INS,
    Each,
    Placed,
    ReferenceInside,
    TakenOut,
    fill,
    refuse_reference,
    take_out,
    take_out_nested,
)
from baton.core.round_trip import SCALARS
from baton.core.signature import Signature
from baton.errors import ArgumentsDoNotFit, NotJSON
from baton.errors.texts import did_you_mean


# A struct and not a dataclass: one is made with every job, in a fifth of the time.
class EncodedArguments(msgspec.Struct, frozen=True, gc=False):
    """A call, ready to be stored."""

    args: str
    """A JSON object: arguments by parameter name, null wherever a reference or a hole stands."""
    args_in_order: str
    """The same with sets and mappings sorted, for comparison."""
    placed: tuple[Placed, ...]
    faults: tuple[NotJSON, ...]
    """Why arguments are not JSON, one fault per argument; if there are any, `args` is empty."""
    each: tuple[str, ...] = ()
    """The arguments that are lists of which each child of the step gets one item."""
    holes: tuple[Hole, ...] = ()


class Parameters:
    """The parameters of one worker's function. One that is annotated with the type `injected` is not an argument."""

    def __init__(self, worker: str, function: Callable[..., Any], injected: type) -> None:
        self._worker = worker
        self.signature = Signature(worker, function, injected)

    @cached_property
    def types(self) -> ArgumentTypes:
        """The types of the arguments. Raises `TypeError` if values of one of them cannot be read from JSON."""
        return ArgumentTypes(self._worker, self.signature)

    def encode(self, arguments: dict[str, Any]) -> EncodedArguments:
        """Return the arguments as JSON, checked against the annotations where no reference stands in them.

        One that would not come back as it is, is a fault in the answer. Raises `TypeError` with the path of one that
        does not fit its annotation.
        """
        if not arguments:
            return _NO_ARGUMENTS
        types = set(map(type, arguments.values()))
        try:
            if types <= SCALARS:
                return self._encode_scalars(arguments)
            if types.isdisjoint(STAND_INS):
                return self._encode_values(arguments)
        except NotJSON as error:
            return EncodedArguments("{}", "{}", (), _faults(arguments) or (error,))
        except ReferenceInside:
            return self._encode_with_references(arguments, (), is_nested=True)
        each = tuple([name for name, value in arguments.items() if type(value) is Each]) if Each in types else ()
        return self._encode_with_references(self._with_items(arguments, each), each, is_nested=False)

    def check_named(self, args: str) -> None:
        """Check arguments by name, as JSON, which are to replace some of a stored call's.

        Raises `TypeError` for one that the function does not take, or that does not fit its annotation.
        """
        if unknown := [name for name in codec.decode(args) if name not in self.signature.by_name]:
            hint = did_you_mean(unknown[0], self.signature.by_name)
            takes = ", ".join(sorted(self.signature.by_name)) or "none"
            raise TypeError(f"{self._worker}: it has no argument {unknown[0]!r}{hint or f'; it takes {takes}'}")
        self.types.require_fit(args)

    def decode(
        self,
        args: str,
        references: str | None,
        results: Mapping[str, object],
        states: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the arguments of a stored call, typed, with results and states in the places of the references.

        A result that is missing is left out of its list or mapping; one that is an argument itself leaves its argument
        out. Raises `ArgumentsDoNotFit`.
        """
        try:
            if references is None:
                return {} if args == "{}" and not self.signature.required else self.types.read(args)
            plain = codec.decode(args)
            fill(plain, references, results, states)
            return self.types.convert(plain)
        except Exception as error:  # the types are the user's, and so is the code that validates them
            raise ArgumentsDoNotFit(self._worker, misfit_text(error)) from error

    def _encode_scalars(self, arguments: dict[str, Any]) -> EncodedArguments:
        """Do what `encode` does, for None, text and numbers alone: JSON keeps them, and most jobs have only these."""
        text = codec.encode(arguments)
        decoded = self.types.require_fit(text)
        if self.types.floats:
            self.types.require_same_scalars(arguments, decoded)
        return EncodedArguments(text, text, (), ())

    def _encode_values(self, arguments: dict[str, Any]) -> EncodedArguments:
        """Do what `encode` does, without references. Raises `ReferenceInside` if there is one."""
        text = codec.encode(arguments, refuse_reference)
        decoded = self.types.require_fit(text)
        faults: list[NotJSON] = []
        is_ordered = text.count("{") == 1
        for name, value in arguments.items():
            try:
                is_ordered &= self.types.require_same(name, value, getattr(decoded, name))
            except NotJSON as fault:
                faults.append(fault)
        if faults:
            return EncodedArguments("{}", "{}", (), tuple(faults))
        return EncodedArguments(text, text if is_ordered else in_order(arguments, text), (), ())

    def _encode_with_references(
        self, arguments: dict[str, Any], each: tuple[str, ...], *, is_nested: bool
    ) -> EncodedArguments:
        taken = TakenOut(arguments, ())
        try:
            try:
                taken = (take_out_nested if is_nested else take_out)(arguments)
                inside = sum([len(path) > 1 for path in taken.paths]) if is_nested else 0
                text = codec.encode(taken.arguments, refuse_reference, nones_inside=inside)
            except ReferenceInside:
                if not is_nested:
                    return self._encode_with_references(arguments, each, is_nested=True)
                raise
            faults = self._faults_with_references(taken, text, each)
        except ReferenceInside as error:
            raise TypeError(f"{self._worker}: {error}") from None
        except NotJSON as error:
            faults = _faults(taken.arguments) or (error,)
        if faults:
            return EncodedArguments("{}", "{}", taken.placed, faults, each, taken.holes)
        return EncodedArguments(text, in_order(taken.arguments, text), taken.placed, (), each, taken.holes)

    def _with_items(self, arguments: dict[str, Any], each: tuple[str, ...]) -> dict[str, Any]:
        """Return the arguments with lists, or references to such, in place of each `each`."""
        if not each:
            return arguments
        if variadic := [name for name in each if name not in self.signature.by_name]:
            raise TypeError(f"{self._worker}: each(...) cannot be given to {variadic[0]!r}, which takes any number")
        opened = {name: value.items if type(value) is Each else value for name, value in arguments.items()}
        require_equal_lists(self._worker, each, opened)
        return opened

    def _faults_with_references(self, taken: TakenOut, text: str, each: tuple[str, ...]) -> tuple[NotJSON, ...]:
        """Return the faults of values next to references that would come back as others, one fault per argument."""
        paths: dict[str, list[Path]] = {name: [] for name in each}
        for path in taken.paths:
            paths.setdefault(str(path[0]), []).append(path)
        decoded = self.types.require_fit(text, frozenset(paths))
        faults = []
        for name, value in taken.arguments.items():
            try:
                if name not in paths:
                    self.types.require_same(name, value, getattr(decoded, name))
                elif value is not None:
                    self.types.require_pieces(name, value, paths[name], is_each=name in each)
            except NotJSON as fault:
                faults.append(fault)
        for path, default in taken.defaults:
            self.types.require_at(path, default, is_each=path[0] in each)
        return tuple(faults)


def require_equal_lists(worker: str, each: Sequence[str], arguments: Mapping[str, Any]) -> None:
    """Raise `TypeError` if the lists of a map that are known already differ in length."""
    lengths = {name: len(items) for name in each if isinstance(items := arguments[name], list)}
    if len(set(lengths.values())) > 1:
        shown = " and ".join(f"{name!r} has {length:,} items" for name, length in lengths.items())
        raise TypeError(f"{worker}: the lists of several each(...) must agree in length: {shown}")


_NO_ARGUMENTS = EncodedArguments("{}", "{}", (), ())


def in_order(arguments: dict[str, Any], text: str) -> str:
    """Return arguments as JSON text that is the same for equal sets and mappings; `text` is their JSON."""
    if "[" not in text and text.count("{") == 1:
        return text
    return codec.encode_in_order(arguments) or text


def _faults(arguments: dict[str, Any]) -> tuple[NotJSON, ...]:
    faults = []
    for name, value in arguments.items():
        try:
            codec.encode(value, refuse_reference)
        except ReferenceInside:
            continue
        except NotJSON as error:
            faults.append(NotJSON(f"$.{name}{error.path[1:]}", error.why))
    return tuple(faults)
