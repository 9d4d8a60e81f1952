"""What calls cost: the application's own prices, then those of genai-prices, which works without the network.

A cost that nobody knows is None and never 0.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from baton.core.usage.call_usage import Usage, checked_cost

log = logging.getLogger("baton.llm")

MILLION = 1_000_000
GIVEN = "given"
"""The version beside a cost that the worker itself stated."""


class Price(Struct, frozen=True):
    """What one call cost, and by which prices."""

    cost: Decimal
    """In US dollars."""
    version: str = "application"
    """Of the prices; it is stored beside the cost."""
    provider: str | None = None
    """Who ran the model, if the prices tell."""


PriceSource: TypeAlias = Callable[[Usage], Price | Decimal | None]
"""The prices of an application: None for a call that it does not know."""


class TokenPrice(Struct, frozen=True, kw_only=True):
    """What a million tokens cost, in US dollars."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    """Of input that is read from the provider's cache; None: as other input."""
    cache_written: Decimal | None = None
    """Of input that is written to it; None: as other input."""
    since: datetime | None = None
    """From when it holds; None: always. It holds until the next one."""

    def cost(self, usage: Usage) -> Decimal:
        """Return what these tokens cost; those of a kind without a price of its own cost what input does."""
        plain = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_written_tokens)
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_written is None else self.cache_written
        return (
            self.input * plain
            + cached * usage.cached_tokens
            + written * usage.cache_written_tokens
            + self.output * usage.output_tokens
        ) / MILLION


class PriceTable:
    """Prices of an application by the name of the model: for models of its own, and for tests that pin what they cost.

    A model has one `TokenPrice`, or several with `since`; a call without `Usage.at` costs what the last one says.

    Args:
        version: stored beside each cost.
    """

    def __init__(self, prices: Mapping[str, TokenPrice | Sequence[TokenPrice]], *, version: str) -> None:
        self.version = version
        self._prices = {
            model: sorted([given] if isinstance(given, TokenPrice) else given, key=_since)
            for model, given in prices.items()
        }

    def __call__(self, usage: Usage) -> Price | None:
        prices = self._prices.get(usage.model or "") or self._prices.get(usage.model_asked or "")
        if not prices:
            return None
        last = len(prices) if usage.at is None else bisect_right(prices, usage.at, key=_since)
        return None if last == 0 else Price(prices[last - 1].cost(usage), self.version)


def _since(price: TokenPrice) -> datetime:
    return price.since or datetime.min.replace(tzinfo=UTC)


class Prices:
    """Puts prices on calls: those of the application first, then the public ones if genai-prices is installed.

    A model without a price is warned of once.
    """

    def __init__(self, source: PriceSource | None = None) -> None:
        self._source = source
        self._unpriced: set[tuple[str | None, str | None]] = set()

    def priced(self, usage: Usage) -> tuple[Usage, str | None]:
        """Return the usage with its cost, and the version of the prices; both None where nobody knows. Never raises."""
        if usage.is_cached:
            return replace(usage, cost=Decimal(0)), GIVEN
        if usage.cost is not None:
            return replace(usage, cost=checked_cost("cost", usage.cost)), GIVEN
        price = self._own(usage) or public_price(usage)
        if price is None:
            self._warn(usage)
            return usage, None
        return replace(usage, cost=price.cost, provider=usage.provider or price.provider), price.version

    def _own(self, usage: Usage) -> Price | None:
        if self._source is None:
            return None
        try:
            found = self._source(usage)
            if found is None:
                return None
            price = found if isinstance(found, Price) else Price(found)
            return replace(price, cost=checked_cost("what the application's prices returned", price.cost))
        except Exception:
            # The call has been made and is paid for: its tokens are recorded, whatever the prices do.
            log.exception("the application's prices failed for model %s; its cost is unknown", usage.model)
            return None

    def _warn(self, usage: Usage) -> None:
        model = (usage.provider, usage.model)
        if model not in self._unpriced:
            self._unpriced.add(model)
            log.warning(
                "no price is known for model %r of provider %r: its calls are recorded without a cost, and sums that "
                "contain one have none; give WorkerPool(prices=...) a function that knows it",
                usage.model,
                usage.provider,
            )


@cache
def _public() -> Any:
    """Return the module of public prices, which is loaded with the first call; None if it is not installed."""
    try:
        import genai_prices
    except ImportError:
        return None
    return genai_prices


def public_price(usage: Usage) -> Price | None:
    """Return what genai-prices says of a call; None if it does not know the model, or is not installed."""
    public = _public()
    if public is None or usage.model is None:
        return None
    counted = public.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_written_tokens,
        output_tokens=usage.output_tokens,
    )
    # Another name for the provider than the one that is known there must not leave the model without a price.
    for provider in dict.fromkeys([usage.provider, None]):
        try:
            found = public.calc_price(counted, usage.model, provider_id=provider, genai_request_timestamp=usage.at)
        except (LookupError, ValueError):
            continue
        return Price(found.total_price, f"genai-prices {public.__version__}", found.provider.id)
    return None
