"""The workers: each asks the model that the workflow names for its step, and records what that cost."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import anthropic
import openai

from baton import Again, Context, Provided, RetryAfter, WorkerPool, worker
from baton.llm import FanOutcome, PriceTable, TokenPrice

PRICES = PriceTable(
    {
        "gpt-5": TokenPrice(input=Decimal("1.25"), cached=Decimal("0.125"), output=Decimal(10)),
        "gpt-5-mini": TokenPrice(input=Decimal("0.25"), cached=Decimal("0.025"), output=Decimal(2)),
        "claude-opus-4-5": TokenPrice(input=Decimal(5), output=Decimal(25)),
        "claude-haiku-4-5": TokenPrice(input=Decimal(1), output=Decimal(5)),
    },
    version="pinned for this example",
)
LOOK_UP = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look a subject up in the encyclopedia.",
        "parameters": {"type": "object", "properties": {"subject": {"type": "string"}}},
    },
}


class Models:
    """Both SDKs, each for its own models. Retries are left to the workflow, which survives the process as well."""

    def __init__(self, address: str) -> None:
        self._openai = openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        self._anthropic = anthropic.AsyncAnthropic(base_url=address, api_key="none", max_retries=0)

    async def ask(self, ctx: Context, text: str) -> str:
        """Ask the model of the step."""
        messages: Any = [{"role": "user", "content": text}]
        if ctx.model.startswith("claude"):
            message = await self._anthropic.messages.create(model=ctx.model, max_tokens=500, messages=messages)
            ctx.record_usage(message)
            return "".join(block.text for block in message.content if block.type == "text")
        answer = await self._openai.chat.completions.create(model=ctx.model, messages=messages)
        ctx.record_usage(answer)
        return answer.choices[0].message.content or ""

    async def ask_with_tool(self, ctx: Context, messages: Sequence[Any]) -> Any:
        """Ask the model of the step, which may ask for the tool."""
        answer = await self._openai.chat.completions.create(model=ctx.model, messages=list(messages), tools=[LOOK_UP])
        ctx.record_usage(answer)
        return answer.choices[0].message

    async def aclose(self) -> None:
        await self._openai.close()
        await self._anthropic.close()


@asynccontextmanager
async def models() -> AsyncIterator[Models]:
    """What the pool provides the workers with."""
    made = Models(os.environ["RESEARCH_MODELS"])
    try:
        yield made
    finally:
        await made.aclose()


def pool() -> WorkerPool:
    """Return the pool of these workers; `baton worker examples.research.workers:pool` runs it.

    Its lease is short, so that another pool soon goes on where one was killed.
    """
    return WorkerPool(provide=[models], prices=PRICES, lease=5)


def wait_of(error: openai.RateLimitError | anthropic.RateLimitError) -> RetryAfter:
    """Return what the service said about when to try again."""
    return RetryAfter(float(error.response.headers.get("retry-after", 1)))


@worker(name="research plan", backoff=0.05)
async def plan(ctx: Context, topic: str, clients: Provided[Models]) -> str | RetryAfter:
    """Plan the research."""
    try:
        return await clients.ask(ctx, f"Plan three questions.\n{topic}")
    except (openai.RateLimitError, anthropic.RateLimitError) as error:
        return wait_of(error)


@worker(name="research investigate", backoff=0.05)
async def investigate(
    ctx: Context, plan: str, messages: list[dict[str, Any]], clients: Provided[Models]
) -> list[str] | Again | RetryAfter:
    """Make one turn of the conversation: each turn that calls the tool begins another round, which survives a crash."""
    asked = [{"role": "user", "content": plan}, *messages]
    try:
        said = await clients.ask_with_tool(ctx, asked)
    except openai.RateLimitError as error:
        return wait_of(error)
    if not said.tool_calls:
        return [message["content"] for message in messages if message["role"] == "tool"]
    call = said.tool_calls[0]
    found = look_up(**json.loads(call.function.arguments))
    turn = [said.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": found}]
    return Again(messages=[*messages, *turn])


def look_up(subject: str) -> str:
    """Return what the encyclopedia says."""
    return f"{subject}: a stick that is handed on"


@worker(name="research draft", backoff=0.05)
async def draft(ctx: Context, topic: str, notes: list[str], clients: Provided[Models]) -> str | RetryAfter:
    """Answer as one member of the council."""
    try:
        return await clients.ask(ctx, "\n".join([topic, *notes]))
    except (openai.RateLimitError, anthropic.RateLimitError) as error:
        return wait_of(error)


@worker(name="research merge", backoff=0.05)
async def merge(ctx: Context, topic: str, drafts: dict[str, str], clients: Provided[Models]) -> str | RetryAfter:
    """Make one answer of the members' drafts."""
    try:
        return await clients.ask(ctx, "\n".join([topic, *drafts.values()]))
    except (openai.RateLimitError, anthropic.RateLimitError) as error:
        return wait_of(error)


@worker(name="research report")
async def report(topic: str, council: FanOutcome) -> str:
    """Write the report, which says whose answer it is."""
    missing = "".join(f"\n  without {member}: {why}" for member, why in council.failed.items())
    return f"{topic}\n  {council.answer}\n  by {', '.join(council.used)}{missing}"
