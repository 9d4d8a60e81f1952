"""What the SDKs answer is read by shape: their real classes build each answer, and its numbers are written here."""

from types import SimpleNamespace
from typing import Any

import pytest
from anthropic.types import Message, RawMessageDeltaEvent, RawMessageStartEvent
from google.genai.types import GenerateContentResponse
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseCompletedEvent
from pydantic_ai import Agent, ModelResponse, RequestUsage, RunUsage, TextPart, ToolCallPart
from pydantic_ai.models.test import TestModel

from baton.core.usage.shapes import usages_of
from baton.errors.language_models import InvalidUsage
from baton.llm import Usage

TOOL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def chat(usage: dict[str, Any] | None, *, finish: str = "stop", tools: bool = False) -> ChatCompletion:
    message: dict[str, Any] = {"role": "assistant", "content": None if tools else "Hello"}
    return ChatCompletion.model_validate(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "gpt-4o-2024-08-06",
            "choices": [
                {"index": 0, "finish_reason": finish, "message": message | ({"tool_calls": [TOOL]} if tools else {})}
            ],
            "usage": usage,
        }
    )


def chunk(usage: dict[str, Any] | None) -> ChatCompletionChunk:
    return ChatCompletionChunk.model_validate(
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": "gpt-4o",
            "choices": [] if usage else [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
            "usage": usage,
        }
    )


def response(usage: dict[str, Any] | None, status: str = "completed", **more: Any) -> Response:
    return Response.model_validate(
        {
            "id": "r",
            "object": "response",
            "created_at": 1_790_000_000.0,
            "model": "gpt-5",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "status": status,
            "usage": usage,
            **more,
        }
    )


def message(usage: dict[str, Any], stop: str | None = "end_turn", content: list[Any] | None = None) -> Message:
    return Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": content or [{"type": "text", "text": "Hello"}],
            "stop_reason": stop,
            "usage": usage,
        }
    )


def gemini(usage: dict[str, Any] | None, **more: Any) -> GenerateContentResponse:
    candidates = [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finish_reason": "STOP"}]
    return GenerateContentResponse.model_validate(
        {"candidates": candidates, "model_version": "gemini-2.5-pro", "usage_metadata": usage, **more}
    )


def litellm(usage: dict[str, Any], hidden: dict[str, Any] | None = None, finish: str = "stop") -> SimpleNamespace:
    """As litellm's `ModelResponse` is, from recorded JSON: its package is too large to be installed for this."""
    return SimpleNamespace(
        object="chat.completion",
        model="claude-sonnet-4-5-20250929",
        choices=[SimpleNamespace(finish_reason=finish, index=0, message=SimpleNamespace(content="Hello"))],
        usage=SimpleNamespace(**usage),
        _hidden_params={"custom_llm_provider": "anthropic", **(hidden or {})},
    )


def details(**tokens: int) -> SimpleNamespace:
    return SimpleNamespace(**tokens)


CHAT = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
ANSWERED = {"model": "gpt-4o-2024-08-06"}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-4-5", "provider": "anthropic"}
GEMINI: dict[str, Any] = {"model": "gemini-2.5-pro", "provider": "google", "finish_reason": "STOP"}

CASES = {
    "openai plain": (chat(CHAT), Usage(input_tokens=100, output_tokens=20, finish_reason="stop", **ANSWERED)),
    "openai tools": (
        chat(CHAT, finish="tool_calls", tools=True),
        Usage(input_tokens=100, output_tokens=20, finish_reason="tool_calls", **ANSWERED),
    ),
    "openai cached": (
        chat(CHAT | {"prompt_tokens_details": {"cached_tokens": 64}}),
        Usage(input_tokens=100, output_tokens=20, cached_tokens=64, finish_reason="stop", **ANSWERED),
    ),
    "openai reasoning": (
        chat(CHAT | {"completion_tokens_details": {"reasoning_tokens": 12}}),
        Usage(input_tokens=100, output_tokens=20, reasoning_tokens=12, finish_reason="stop", **ANSWERED),
    ),
    "openai refused": (
        chat(CHAT, finish="content_filter"),
        Usage(input_tokens=100, output_tokens=20, finish_reason="content_filter", **ANSWERED),
    ),
    "openai last chunk": (chunk(CHAT), Usage(input_tokens=100, output_tokens=20, model="gpt-4o")),
    "openai all chunks": (
        [chunk(None), chunk(None), chunk(CHAT)],
        Usage(input_tokens=100, output_tokens=20, model="gpt-4o"),
    ),
    "openai usage alone": (chat(CHAT).usage, Usage(input_tokens=100, output_tokens=20)),
    "openai response": (
        response(
            {
                "input_tokens": 300,
                "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 32},
                "output_tokens": 80,
                "output_tokens_details": {"reasoning_tokens": 50},
                "total_tokens": 380,
            }
        ),
        Usage(
            input_tokens=300,
            output_tokens=80,
            cached_tokens=128,
            cache_written_tokens=32,
            reasoning_tokens=50,
            model="gpt-5",
            finish_reason="completed",
        ),
    ),
    "openai response cut short": (
        response(
            {
                "input_tokens": 3,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 8,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 11,
            },
            "incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        Usage(input_tokens=3, output_tokens=8, model="gpt-5", finish_reason="max_output_tokens"),
    ),
    "openai embeddings": (
        CreateEmbeddingResponse.model_validate(
            {
                "object": "list",
                "model": "text-embedding-3-small",
                "data": [],
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            }
        ),
        Usage(input_tokens=8, output_tokens=0, model="text-embedding-3-small"),
    ),
    "anthropic plain": (
        message({"input_tokens": 40, "output_tokens": 9}),
        Usage(input_tokens=40, output_tokens=9, finish_reason="end_turn", **CLAUDE),
    ),
    "anthropic tools": (
        message(
            {"input_tokens": 40, "output_tokens": 9},
            "tool_use",
            [{"type": "tool_use", "id": "t", "name": "search", "input": {}}],
        ),
        Usage(input_tokens=40, output_tokens=9, finish_reason="tool_use", **CLAUDE),
    ),
    "anthropic cached": (
        message(
            {
                "input_tokens": 40,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 200,
                "output_tokens": 9,
            }
        ),
        Usage(
            input_tokens=1240,
            output_tokens=9,
            cached_tokens=1000,
            cache_written_tokens=200,
            finish_reason="end_turn",
            **CLAUDE,
        ),
    ),
    "anthropic reasoning": (
        message({"input_tokens": 40, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 70}}),
        Usage(input_tokens=40, output_tokens=90, reasoning_tokens=70, finish_reason="end_turn", **CLAUDE),
    ),
    "anthropic refused": (
        message({"input_tokens": 40, "output_tokens": 1}, "refusal"),
        Usage(input_tokens=40, output_tokens=1, finish_reason="refusal", **CLAUDE),
    ),
    "anthropic stream": (
        [
            RawMessageStartEvent(
                type="message_start",
                message=message({"input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 1}, None),
            ),
            RawMessageDeltaEvent.model_validate(
                {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 33}}
            ),
        ],
        Usage(input_tokens=100, output_tokens=33, cached_tokens=60, finish_reason="max_tokens", **CLAUDE),
    ),
    "anthropic last event": (
        RawMessageDeltaEvent.model_validate(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"input_tokens": 40, "output_tokens": 33},
            }
        ),
        Usage(input_tokens=40, output_tokens=33, provider="anthropic", finish_reason="end_turn"),
    ),
    "google plain": (
        gemini({"prompt_token_count": 10, "candidates_token_count": 5, "total_token_count": 15}),
        Usage(input_tokens=10, output_tokens=5, **GEMINI),
    ),
    "google tools": (
        gemini({"prompt_token_count": 10, "tool_use_prompt_token_count": 7, "candidates_token_count": 5}),
        Usage(input_tokens=17, output_tokens=5, **GEMINI),
    ),
    "google cached": (
        gemini({"prompt_token_count": 100, "cached_content_token_count": 90, "candidates_token_count": 5}),
        Usage(input_tokens=100, output_tokens=5, cached_tokens=90, **GEMINI),
    ),
    "google reasoning, last chunk": (
        gemini({"prompt_token_count": 10, "candidates_token_count": 5, "thoughts_token_count": 30}),
        Usage(input_tokens=10, output_tokens=35, reasoning_tokens=30, **GEMINI),
    ),
    "google refused": (
        gemini({"prompt_token_count": 10}, candidates=None, prompt_feedback={"block_reason": "SAFETY"}),
        Usage(input_tokens=10, output_tokens=0, **GEMINI | {"finish_reason": "SAFETY"}),
    ),
    "google over the wire": (
        {
            "candidates": [{"finishReason": "STOP"}],
            "modelVersion": "gemini-2.5-pro",
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 2},
        },
        Usage(input_tokens=10, output_tokens=7, reasoning_tokens=2, **GEMINI),
    ),
    "pydantic-ai plain": (
        ModelResponse(
            parts=[TextPart("Hello")],
            usage=RequestUsage(input_tokens=50, output_tokens=6),
            model_name="gpt-4o",
            provider_name="openai",
            finish_reason="stop",
        ),
        Usage(input_tokens=50, output_tokens=6, model="gpt-4o", provider="openai", finish_reason="stop"),
    ),
    "pydantic-ai tools, cached, reasoning": (
        ModelResponse(
            parts=[ToolCallPart("search", {})],
            usage=RequestUsage(
                input_tokens=50,
                cache_read_tokens=30,
                cache_write_tokens=10,
                output_tokens=26,
                details={"reasoning_tokens": 20},
            ),
            model_name="claude-sonnet-4-5",
            provider_name="anthropic",
            finish_reason="tool_call",
        ),
        Usage(
            input_tokens=50,
            output_tokens=26,
            cached_tokens=30,
            cache_written_tokens=10,
            reasoning_tokens=20,
            finish_reason="tool_call",
            **CLAUDE,
        ),
    ),
    "pydantic-ai error": (
        ModelResponse(
            parts=[],
            usage=RequestUsage(input_tokens=50),
            model_name="gpt-4o",
            provider_name="openai",
            finish_reason="error",
        ),
        Usage(input_tokens=50, output_tokens=0, model="gpt-4o", provider="openai", finish_reason="error"),
    ),
    "pydantic-ai usage of a run": (
        RunUsage(requests=2, input_tokens=80, output_tokens=16),
        Usage(input_tokens=80, output_tokens=16),
    ),
    "litellm plain": (
        litellm(CHAT),
        Usage(
            input_tokens=100,
            output_tokens=20,
            model="claude-sonnet-4-5-20250929",
            provider="anthropic",
            finish_reason="stop",
        ),
    ),
    "litellm cached and reasoning": (
        litellm(
            CHAT
            | {
                "prompt_tokens_details": details(cached_tokens=70),
                "completion_tokens_details": details(reasoning_tokens=11),
                "cache_creation_input_tokens": 20,
                "cache_read_input_tokens": 70,
            },
            finish="tool_calls",
        ),
        Usage(
            input_tokens=100,
            output_tokens=20,
            cached_tokens=70,
            cache_written_tokens=20,
            reasoning_tokens=11,
            model="claude-sonnet-4-5-20250929",
            provider="anthropic",
            finish_reason="tool_calls",
        ),
    ),
    "litellm from its own cache": (
        litellm(CHAT, {"cache_hit": True}),
        Usage(
            input_tokens=100,
            output_tokens=20,
            is_cached=True,
            model="claude-sonnet-4-5-20250929",
            provider="anthropic",
            finish_reason="stop",
        ),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_answer_of_an_sdk_is_read_by_its_shape(name: str) -> None:
    answer, expected = CASES[name]

    assert usages_of(answer) == [expected]


def test_the_last_event_of_a_responses_stream_has_the_answer_in_it() -> None:
    answer = CASES["openai response"][0]
    event = ResponseCompletedEvent(type="response.completed", sequence_number=9, response=answer)

    assert usages_of(event) == [CASES["openai response"][1]]


@pytest.mark.parametrize("name", [name for name in CASES if name.split()[0] in ("openai", "anthropic")])
def test_json_from_the_wire_is_read_as_the_object_is(name: str) -> None:
    answer, expected = CASES[name]
    as_json = [part.model_dump(mode="json") for part in answer] if isinstance(answer, list) else answer.model_dump()

    assert usages_of(as_json) == [expected]


async def test_an_agents_run_has_one_call_for_each_request() -> None:
    agent = Agent(TestModel())
    agent.tool_plain(name="search")(lambda: "found")

    run = await agent.run("look")
    calls = usages_of(run)

    assert len(calls) == 2
    assert (sum(one.input_tokens for one in calls), sum(one.output_tokens for one in calls)) == (
        run.usage.input_tokens,
        run.usage.output_tokens,
    )
    assert {one.model for one in calls} == {"test"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"text": "hello"}, r"dict is no answer of openai.*write Usage\(model="),
        (object(), r"object is no answer of openai"),
        (None, r"NoneType is no answer"),
        ("hello", r"str is no answer"),
        ([], r"the list is no answer"),
        (chunk(None), r"stream_options=\{'include_usage': True\}"),
        (chat(None), r"ChatCompletion is no answer of .*, or has no usage"),
        (ValueError("429"), r"ValueError is an error, which says nothing about tokens"),
        ({"usage": {"prompt_tokens": 5}}, r"says nothing about output tokens"),
        ({"usage": {"prompt_tokens": -5, "completion_tokens": 1}}, r"input_tokens must be at least 0, and it is -5"),
        ({"usage": {"prompt_tokens": "5", "completion_tokens": 1}}, r"prompt_tokens of dict must be an integer"),
        ({"usage": {"input_tokens": 1.5, "output_tokens": 1}}, r"input_tokens of dict must be an integer"),
    ],
)
def test_what_is_not_understood_is_refused_in_a_sentence(answer: object, sentence: str) -> None:
    with pytest.raises(InvalidUsage, match=sentence):
        usages_of(answer)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"input_tokens": -1}, "input_tokens must be at least 0, and it is -1"),
        ({"output_tokens": None}, "output_tokens must be an integer, and it is None"),
        ({"cached_tokens": True}, "cached_tokens must be an integer"),
        ({"reasoning_tokens": 1.5}, "reasoning_tokens must be an integer"),
        ({"cost": -0.5}, "cost of Usage must be a Decimal of at least 0"),
        ({"cost": float("nan")}, "cost of Usage must be a Decimal"),
        ({"model": 5}, "model of Usage must be a text, and it is int"),
        ({"first_chunk_seconds": -1}, "first_chunk_seconds of Usage must be a number of at least 0"),
    ],
)
def test_impossible_numbers_are_refused_in_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidUsage, match=sentence):
        Usage(**{"input_tokens": 1, "output_tokens": 1, **fields})
