"""Values to JSON and back, without a loss: a value that has no faithful form in JSON is an error.

msgspec does the work. It writes NaN and Infinity as null, and neither writes nor reads lone surrogates. Texts that may
contain one of these go through the standard library, which is ten times slower. `baton.core.round_trip` checks that
the types of a value survive as well.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from baton.core.error_texts import text_of
from baton.core.json_forms import NoForm, plain_form, restored
from baton.core.round_trip import key_step
from baton.core.tagged_unions import with_tagged_unions
from baton.errors import NotJSON

MAX_NESTING = 200
"""Deeper JSON can be stored, but not every reader can read it back."""

Hook = Callable[[Any], Any]

_UNENCODABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)
_SPLIT_CHARACTER = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
_ascii_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=True, separators=(",", ":"))


def encode(value: Any, hook: Hook = plain_form, *, nones_inside: int = 0) -> str:
    """Return the JSON text of `value`; it has a form in UTF-8.

    `nones_inside` is how many None are known to lie below its first level.

    Raises `NotJSON` with the path of the value that has none: NaN, Infinity, an object, a key that is neither
    text nor number, an integer of more than 4,300 digits, nesting deeper than `MAX_NESTING`.
    """
    if value is None:
        return "null"
    try:
        text = msgspec.json.encode(value, enc_hook=hook).decode()
    except _UNENCODABLE:
        return _encode_carefully(value, hook)
    # A null that does not stand for a None may have been a NaN.
    if "null" in text and text.count("null") != _nones(value) + nones_inside:
        text = _encode_carefully(value, hook)
    _check_nesting(text)
    return text


def encode_in_order(value: Any, hook: Hook = plain_form) -> str | None:
    """Return JSON text that is the same for equal sets and mappings, or None for keys that have no order.

    Only for comparing: it is not checked as `encode` checks.
    """
    try:
        return msgspec.json.encode(value, enc_hook=hook, order="deterministic").decode()
    except _UNENCODABLE:
        return None


def decode(text: str) -> Any:
    """Return the value of a JSON text as plain dicts, lists, strings, numbers, booleans and None."""
    if _may_have_surrogates(text):
        return json.loads(text)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


class Decoder:
    """Reads JSON into values of one type.

    Raises `TypeError` when made for a union whose members look alike in JSON, such as `str | datetime`; its methods
    raise `msgspec.ValidationError` with the path where a text does not fit.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind, dec_hook=restored).decode

    def decode(self, text: str) -> Any:
        return self.convert(json.loads(text)) if _may_have_surrogates(text) else self._decode(text)

    def convert(self, plain: Any) -> Any:
        """Return the typed value of what `decode` (the function) made."""
        return msgspec.convert(plain, self._kind, str_keys=True, dec_hook=restored)


def decoder_of(worker: str, what: str, kind: Any) -> Decoder:
    """Return what reads values of an annotation of a worker.

    Raises `TypeError` if they look alike in JSON; its text names `what` is annotated so.
    """
    try:
        return Decoder(with_tagged_unions(kind))
    except NameError as error:
        why = f"{error}: import it outside of 'if TYPE_CHECKING', in the module of the class that names it"
    except Exception as error:  # noqa: BLE001  # the types are the user's, and so is the code that describes them
        why = f"{error}{_remedy(str(error))}"
    raise TypeError(f"{worker}: {what} is annotated with a type JSON cannot carry: {why}") from None


def _remedy(why: str) -> str:
    if "str-like" in why or "array-like" in why or "number-like" in why:
        return "; they look alike in JSON: annotate one of them, or dataclasses with a tag"
    if why.startswith("Type unions"):
        return (
            "; give each a field of another value, as in kind: Literal['a'], and annotate the parameter itself with "
            "the union; or make them msgspec.Struct with tag=True"
        )
    return ""


def _may_have_surrogates(text: str) -> bool:
    return "\\ud" in text or "\\uD" in text


def _nones(value: Any) -> int:
    return sum(item is None for item in value.values()) if type(value) is dict else 0


def _encode_carefully(value: Any, hook: Hook) -> str:
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=hook)
        text = _encoder.encode(plain)
    except RecursionError:
        raise NotJSON("$", f"it is nested deeper than {MAX_NESTING} levels, or contains itself") from None
    except _UNENCODABLE as error:
        raise _located(value, hook, error) from error
    try:
        text.encode()
    except UnicodeEncodeError:
        if _SPLIT_CHARACTER.search(text):
            raise NotJSON("$", "a text holds a character as two surrogates, which come back as one") from None
        return _ascii_encoder.encode(plain)
    return text


def _check_nesting(text: str) -> None:
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return
    level = [decode(text)]
    for _ in range(MAX_NESTING):
        level = [child for item in level for child in _items(item) if type(child) in (list, dict)]
        if not level:
            return
    raise NotJSON("$", f"it is nested deeper than {MAX_NESTING} levels")


def _items(container: Any) -> Any:
    return container.values() if type(container) is dict else container


def _located(value: Any, hook: Hook, error: Exception) -> NotJSON:
    """Return the error with the path of the innermost value that is at fault."""
    path = "$"
    while True:
        for step, child in _children(value):
            if (reason := _refusal(child, hook)) is not None:
                path, value, error = path + step, child, reason
                break
        else:
            return NotJSON(path, _reason(value, error))


def _refusal(value: Any, hook: Hook) -> Exception | None:
    try:
        _encoder.encode(msgspec.to_builtins(value, str_keys=True, enc_hook=hook))
    except _UNENCODABLE as error:
        return error
    return None


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((key_step(key), child) for key, child in value.items())
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from ((f"[{index}]", child) for index, child in enumerate(value))
    elif isinstance(value, msgspec.Struct):
        yield from ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
    elif is_dataclass(value) and not isinstance(value, type):
        yield from ((f".{field.name}", getattr(value, field.name)) for field in fields(value))
    elif callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        yield from ((key_step(key), child) for key, child in dump(mode="python").items())


def _reason(value: Any, error: Exception) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value!r} has no form in JSON"
    if isinstance(value, int):
        return "an integer of more than 4,300 digits cannot be read back"
    if isinstance(value, Mapping) and (kinds := {type(key).__name__ for key in value if not _may_be_key(key)}):
        return f"a key must be text or a number, not {' or '.join(sorted(kinds))}"
    if callable(getattr(value, "model_dump", None)) or isinstance(error, NoForm) or not isinstance(error, TypeError):
        return text_of(error)
    return f"a value of type {type(value).__qualname__} has no form in JSON"


def _may_be_key(key: Any) -> bool:
    return isinstance(key, str | int | float) and not isinstance(key, bool)
