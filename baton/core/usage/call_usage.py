"""`Usage`: what one call of a language model used."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from baton.core.options import checked_time
from baton.errors import InvalidOption
from baton.errors.language_models import InvalidUsage

MOST_TOKENS = 2**53
"""Of one call; more is a mistake, and JSON does not carry it exactly."""
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_written_tokens", "reasoning_tokens")
_TEXTS = ("model", "model_asked", "provider", "finish_reason")
HOW_TO_WRITE = (
    "write Usage(model=..., input_tokens=..., output_tokens=...), where input_tokens count those that were read from a "
    "cache or written to one, and output_tokens those of the reasoning"
)


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one call of a language model used, for `ctx.record_usage`.

    Raises `InvalidUsage` for numbers of tokens that are missing, negative or no integers.
    """

    input_tokens: int
    """All of them, with those read from a cache or written to one."""
    output_tokens: int
    """All of them, with those of the reasoning."""
    cached_tokens: int = 0
    """Input tokens that the provider read from its cache."""
    cache_written_tokens: int = 0
    """Input tokens that the provider wrote to its cache."""
    reasoning_tokens: int = 0
    """Output tokens of the model's reasoning."""
    model: str | None = None
    """The model that answered; left out, the one that was asked."""
    model_asked: str | None = None
    """The model that was asked; left out, `ctx.model`, or the one that answered."""
    provider: str | None = None
    """Who ran the model; left out, as the prices say."""
    cost: Decimal | None = None
    """In US dollars, if it is known; it goes before all prices. Left out, the prices say."""
    is_cached: bool = False
    """The application answered from a cache of its own: nothing was called, and it cost nothing."""
    finish_reason: str | None = None
    """Why the model stopped, as the provider says it."""
    first_chunk_seconds: float | None = None
    """From the request to the first chunk of a stream."""
    at: datetime | None = None
    """When it was called, with its time zone; prices are those of that time. Left out, it is now."""

    def __post_init__(self) -> None:
        for field in _COUNTS:
            _check_count(field, getattr(self, field))
        for field in _TEXTS:
            value = getattr(self, field)
            if value is not None and not isinstance(value, str):
                raise InvalidUsage(f"{field} of Usage must be a text, and it is {type(value).__name__}")
        seconds: object = self.first_chunk_seconds
        if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds < float("inf")):
            raise InvalidUsage(f"first_chunk_seconds of Usage must be a number of at least 0, and it is {seconds!r}")
        if self.cost is not None:
            checked_cost("cost of Usage", self.cost)
        if self.at is not None:
            _check_time(self.at)


def checked_cost(what: str, cost: object) -> Decimal:
    """Return a cost in dollars. Raises `InvalidUsage` for one that is no finite number of at least 0."""
    if isinstance(cost, bool) or not isinstance(cost, Decimal | int | float):
        raise InvalidUsage(f"{what} must be a Decimal of at least 0, or None if it is unknown; it is {cost!r}")
    exact = Decimal(str(cost))
    if not exact.is_finite() or exact < 0:
        raise InvalidUsage(f"{what} must be a Decimal of at least 0, or None if it is unknown; it is {cost!r}")
    return exact


def _check_count(field: str, value: object) -> None:
    if type(value) is not int:
        raise InvalidUsage(f"{field} must be an integer, and it is {value!r}: {HOW_TO_WRITE}")
    if not 0 <= value <= MOST_TOKENS:
        raise InvalidUsage(f"{field} must be at least 0, and it is {value}")


def _check_time(at: object) -> None:
    try:
        checked_time("at", at)
    except InvalidOption as error:
        raise InvalidUsage(str(error)) from None
