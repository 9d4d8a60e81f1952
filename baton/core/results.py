"""Convert what a worker returns to JSON, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from baton.core import codec
from baton.core.annotations import Annotations
from baton.core.places import allows_float, equality_suffices, is_plain
from baton.core.round_trip import SCALARS, check, is_same_plain
from baton.errors import NotJSON, ResultNotJSON


class ResultType:
    """What the return annotation of a worker's function says of its results.

    Raises: TypeError if values of that type cannot be read from JSON.
    """

    def __init__(self, worker: str, annotations: Annotations) -> None:
        self._worker = worker
        self.kind = annotations.result
        self._remedy = annotations.remedy("return")
        self._decoder = codec.decoder_of(worker, "the result", self.kind)
        # An integer becomes a float, which may have fewer digits.
        self._kept = SCALARS - {int} if allows_float(self.kind) else SCALARS
        self._is_flat = equality_suffices(self.kind)
        self._is_plain = is_plain(self.kind)

    def encode(self, value: object) -> str:
        """Return a result as JSON text. Raises `ResultNotJSON` if it would not come back as it is."""
        try:
            text = codec.encode(value)
            if type(value) not in self._kept:
                back = self.decode(text)
                if not is_same_plain(value, back, is_flat=self._is_flat, is_plain=self._is_plain):
                    check("$", value, back, self._remedy)
        except NotJSON as error:
            raise ResultNotJSON(self._worker, error.path, error.why) from error
        return text

    def decode(self, text: str) -> Any:
        """Return a result typed by the return annotation, or as plain JSON if it does not fit that."""
        try:
            return self._decoder.decode(text)
        except msgspec.ValidationError:
            return codec.decode(text)
