"""The types of a worker's arguments: how they are read from JSON, and whether a value would come back as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any

import msgspec

from baton.core import codec
from baton.core.constraints import Check, Unmet, check_of
from baton.core.error_texts import text_of
from baton.core.places import (
    Path,
    Piece,
    allows_float,
    equality_suffices,
    is_plain,
    kind_at,
    may_be_left_out,
    pieces_without_references,
)
from baton.core.references import Each, refuse_reference
from baton.core.round_trip import SCALARS, check, is_same_plain, key_step
from baton.core.signature import Signature
from baton.core.tagged_unions import with_tagged_unions
from baton.errors.texts import did_you_mean


class ArgumentTypes:
    """What the annotations of one function say of its arguments; decided once per annotation.

    Raises: TypeError for an annotation whose values cannot be read from JSON.
    """

    def __init__(self, worker: str, signature: Signature) -> None:
        self._worker = worker
        self._signature = signature
        self._kinds = signature.kinds()
        self._decoders: dict[frozenset[str], codec.Decoder] = {}
        for name, kind in self._kinds.items():
            codec.decoder_of(worker, f"parameter {name!r}", kind)
        self._constraints = self._checks()

    def kind(self, name: str) -> Any:
        """Return the type of a parameter; `Any` if its annotation says nothing."""
        return self._kinds.get(name, Any)

    def may_be_left_out(self, path: Path) -> bool:
        """Return whether the value at a path in the arguments may be missing when the function is called."""
        name = str(path[0])
        return name in self._signature.optional if len(path) == 1 else may_be_left_out(self.kind(name), path[1:])

    def read(self, args: str) -> dict[str, Any]:
        """Return the arguments of a stored call, typed. Raises `msgspec.ValidationError` and `Unmet`."""
        return self._present(self._whole.decode(args))

    def convert(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Do what `read` does, for arguments that are plain JSON values."""
        return self._present(self._whole.convert(plain))

    def require_fit(self, text: str, referenced: frozenset[str] = frozenset()) -> Any:
        """Return the arguments that a JSON text holds, as attributes. Those `referenced` are not looked at.

        Raises `TypeError` with the path of one that does not fit its annotation.
        """
        decoder = self._decoders.get(referenced) or self._made_decoder(referenced)
        try:
            decoded = decoder.decode(text)
            if self._constraints:
                self._require_constraints(decoded, referenced)
        except (msgspec.ValidationError, Unmet) as error:
            raise TypeError(f"{self._worker}: {text_of(error)}") from None
        return decoded

    def require_same_scalars(self, arguments: dict[str, Any], decoded: Any) -> None:
        """Do what `require_same` does, for arguments that are all scalars."""
        for name in self.floats & arguments.keys():
            self.require_same(name, arguments[name], getattr(decoded, name))

    def require_same(self, name: str, value: Any, back: Any) -> bool:
        """Raise `NotJSON` if an argument would come back from JSON as another one.

        Returns whether it is known to hold no sets, whose order in JSON changes from process to process.
        """
        if type(value) in SCALARS:
            if name in self.floats and value != back:
                check(f"$.{name}", value, back, "")
            return True
        if is_same_plain(value, back, is_flat=name in self._flat, is_plain=name in self._plain):
            return not isinstance(value, set | frozenset)
        check(f"$.{name}", value, back, self._signature.annotations.remedy(name))
        return False

    def in_order(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments in the order of the parameters.

        Raises `TypeError` for one that the function does not take or lacks, and for `each(...)` where it cannot be.
        """
        given = arguments.keys()
        if unknown := sorted(given - self._kinds.keys()):
            hint = did_you_mean(unknown[0], self._kinds)
            takes = f"; it takes {', '.join(self._kinds) or 'none'}"
            raise TypeError(f"{self._worker}: it has no argument {unknown[0]!r}{hint or takes}")
        if missing := sorted(self._signature.required - given):
            raise TypeError(f"{self._worker}: it lacks the argument {missing[0]!r}")
        each = [name for name, value in arguments.items() if type(value) is Each]
        if variadic := [name for name in each if name not in self._signature.by_name]:
            raise TypeError(f"{self._worker}: each(...) cannot be given to {variadic[0]!r}, which takes any number")
        return {name: arguments[name] for name in self._kinds if name in arguments}

    def require_pieces(
        self, name: str, value: Any, paths: Sequence[Path], *, is_each: bool, is_json: bool = False
    ) -> None:
        """Check the parts of an argument in which no reference stands, each by itself.

        Raises `TypeError`, as `require_fit`, and unless the parts are JSON already `NotJSON`, as `require_same`.
        """
        kind = self._kind_of_argument(name, is_each=is_each)
        for piece in pieces_without_references(kind, value, paths, (name,)):
            self._require_piece(piece, is_item=is_each, is_json=is_json)

    def require_at(self, path: Path, value: Any, *, is_each: bool, is_json: bool = False) -> None:
        """Check what is to stand at a path against the annotation of that place, as `require_pieces`."""
        kind = self._kind_of_argument(str(path[0]), is_each=is_each)
        for key in path[1:]:
            kind = kind_at(kind, key)
        self._require_piece(Piece(path, kind, value), is_item=False, is_json=is_json)

    def _kind_of_argument(self, name: str, *, is_each: bool) -> Any:
        return GenericAlias(list, (self.kind(name),)) if is_each else self.kind(name)

    def _require_piece(self, piece: Piece, *, is_item: bool, is_json: bool) -> None:
        name, path = str(piece.path[0]), "$" + "".join(map(_step, piece.path))
        try:
            back = codec.Decoder(with_tagged_unions(piece.kind)).decode(codec.encode(piece.value, refuse_reference))
            if (constraint := check_of(piece.kind)) is not None:
                constraint(back, path)
        except (msgspec.ValidationError, Unmet) as error:
            what = f"an item of each(...) for {name!r} does not fit" if is_item else f"in `{path}`"
            raise TypeError(f"{self._worker}: {what}: {text_of(error)}") from None
        if is_json:
            return
        is_flat, only_plain = equality_suffices(piece.kind), is_plain(piece.kind)
        if type(piece.value) not in SCALARS and not is_same_plain(
            piece.value, back, is_flat=is_flat, is_plain=only_plain
        ):
            check(path, piece.value, back, self._signature.annotations.remedy(name))

    @cached_property
    def floats(self) -> frozenset[str]:
        """The parameters in which an integer becomes a float, which may have fewer digits."""
        return frozenset([name for name, kind in self._kinds.items() if allows_float(kind)])

    @cached_property
    def _flat(self) -> frozenset[str]:
        return frozenset([name for name, kind in self._kinds.items() if equality_suffices(kind)])

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset([name for name, kind in self._kinds.items() if is_plain(kind)])

    @cached_property
    def _whole(self) -> codec.Decoder:
        return self._decoder(self._kinds, self._signature.optional)

    def _made_decoder(self, referenced: frozenset[str]) -> codec.Decoder:
        """Return what reads arguments as they are before the results of others are in their places."""
        kinds = {name: Any if name in referenced else kind for name, kind in self._kinds.items()}
        decoder = self._decoders[referenced] = self._decoder(kinds, frozenset(kinds))
        return decoder

    def _decoder(self, kinds: Mapping[str, Any], optional: frozenset[str]) -> codec.Decoder:
        types = {name: with_tagged_unions(kind) for name, kind in kinds.items()}
        fields = [(n, t, msgspec.UNSET) if n in optional else (n, t) for n, t in types.items()]
        return codec.Decoder(msgspec.defstruct(self._worker, fields, kw_only=True, forbid_unknown_fields=True))

    def _checks(self) -> tuple[tuple[str, Check], ...]:
        try:
            checks = [(name, check_of(kind)) for name, kind in self._kinds.items()]
        except Exception as error:
            raise TypeError(f"{self._worker}: the constraints of its parameters cannot be read: {error}") from error
        return tuple([(name, constraint) for name, constraint in checks if constraint is not None])

    def _require_constraints(self, decoded: Any, referenced: frozenset[str]) -> None:
        for name, constraint in self._constraints:
            if name not in referenced and (value := getattr(decoded, name)) is not msgspec.UNSET:
                constraint(value, f"$.{name}")

    def _present(self, decoded: Any) -> dict[str, Any]:
        if self._constraints:
            self._require_constraints(decoded, frozenset())
        arguments: dict[str, Any] = msgspec.structs.asdict(decoded)
        if self._signature.optional:
            return {name: value for name, value in arguments.items() if value is not msgspec.UNSET}
        return arguments


def _step(key: str | int) -> str:
    return key_step(key)
