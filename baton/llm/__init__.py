"""Language models in workflows: what calls use and cost, which model each step asks, and answers of several models.

    async def summarise(ctx: Context, text: str) -> str:
        answer = await client.chat.completions.create(model=ctx.model, messages=[...])
        ctx.record_usage(answer)
        ...

No SDK is imported. Prices come from genai-prices if it is installed, as it is with the extra `llm`.
"""

from baton.core.usage.budget import Budget, Estimate
from baton.core.usage.call_usage import Usage
from baton.core.usage.prices import Price, PriceSource, PriceTable, TokenPrice
from baton.database.model_calls import BudgetState, EngineUsage, RunUsage, UsageTotals
from baton.errors.language_models import InvalidUsage, NoModel
from baton.llm.fan_out import FanOutcome, fan_out

__all__ = [
    "Budget",
    "BudgetState",
    "EngineUsage",
    "Estimate",
    "FanOutcome",
    "InvalidUsage",
    "NoModel",
    "Price",
    "PriceSource",
    "PriceTable",
    "RunUsage",
    "TokenPrice",
    "Usage",
    "UsageTotals",
    "fan_out",
]
