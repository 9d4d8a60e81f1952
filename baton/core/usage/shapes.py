"""Read what a call used from what an SDK answered, by the shape of the answer: no SDK is imported.

Known are the answers of openai (chat completions, responses, embeddings), anthropic, google-genai, pydantic-ai and
litellm: the answer itself, its usage, the last chunk of a stream, or a list of a stream's chunks; as objects, or as the
JSON that came over the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from baton.core.usage.call_usage import HOW_TO_WRITE, Usage
from baton.errors.language_models import InvalidUsage


class Found(Struct, frozen=True):
    """What one answer, or one chunk, says. None: it does not say."""

    input: int | None = None
    uncached_input: int | None = None
    """Of a provider that does not count cached tokens among those of the input."""
    output: int | None = None
    cached: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None
    model: str | None = None
    provider: str | None = None
    finish_reason: str | None = None
    is_cached: bool | None = None

    @property
    def has_numbers(self) -> bool:
        return self.input is not None or self.uncached_input is not None or self.output is not None

    def followed_by(self, later: Found) -> Found:
        """Return what both say; of a stream the later chunk counts."""
        said = {name: value for name, value in asdict(later).items() if value is not None}
        return Found(**{**asdict(self), **said})


def usages_of(answer: object) -> list[Usage]:
    """Return what was used, one element a call: an agent's run has as many as it made.

    Raises `InvalidUsage` for an answer that is not understood, and for one without numbers.
    """
    if isinstance(answer, Usage):
        return [answer]
    if isinstance(answer, BaseException):
        raise InvalidUsage(
            f"{type(answer).__name__} is an error, which says nothing about tokens; if the call was charged all the "
            f"same, {HOW_TO_WRITE}"
        )
    if (messages := _messages_of_run(answer)) is not None:
        return [_usage(message, [_found(message)]) for message in messages]
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes):
        return [_usage(answer, [_found(chunk) for chunk in answer])]
    return [_usage(answer, [_found(answer)])]


def _usage(answer: object, chunks: list[Found]) -> Usage:
    found = Found()
    for chunk in chunks:
        found = found.followed_by(chunk)
    if not found.has_numbers:
        raise InvalidUsage(_why_unknown(answer))
    cached, written = found.cached or 0, found.cache_written or 0
    total = found.input
    if total is None and found.uncached_input is not None:
        total = found.uncached_input + cached + written
    for what, value in (("input", total), ("output", found.output)):
        if value is None:
            raise InvalidUsage(
                f"{_named(answer)} says nothing about {what} tokens; of a stream, pass all chunks that have a usage as "
                f"a list, or {HOW_TO_WRITE}"
            )
    return Usage(
        input_tokens=total,  # type: ignore[arg-type]  # neither is None any more
        output_tokens=found.output,  # type: ignore[arg-type]
        cached_tokens=cached,
        cache_written_tokens=written,
        reasoning_tokens=found.reasoning or 0,
        model=found.model,
        provider=found.provider,
        is_cached=bool(found.is_cached),
        finish_reason=found.finish_reason,
    )


def _why_unknown(answer: object) -> str:
    if _field(answer, "choices") is not None and _field(answer, "object") == "chat.completion.chunk":
        return (
            "this chunk of a stream has no usage: pass the last one, and ask OpenAI for it with "
            "stream_options={'include_usage': True}"
        )
    known = "openai, anthropic, google-genai, pydantic-ai and litellm"
    return f"{_named(answer)} is no answer of {known}, or has no usage: {HOW_TO_WRITE}"


def _named(answer: object) -> str:
    return "the list" if isinstance(answer, list | tuple) else type(answer).__name__


def _found(answer: object) -> Found:
    """Return what an answer, a chunk, or a usage by itself says."""
    # An event of a stream has the answer in it: the last one of OpenAI's responses, the first one of Anthropic.
    for part in ("response", "message"):
        inside = _field(answer, part)
        if inside is not None and _field(inside, "usage") is not None:
            answer = inside
    usage = _field(answer, "usage_metadata")
    if usage is None:
        usage = _field(answer, "usageMetadata")
    if usage is None:
        usage = _field(answer, "usage")
    if callable(usage):
        usage = usage()
    numbers = _numbers(answer if usage is None else usage)
    return numbers.followed_by(_facts(answer, usage))


def _numbers(usage: object) -> Found:
    if _has(usage, "prompt_tokens"):
        return _chat_completion(usage)
    if _has(usage, "prompt_token_count") or _has(usage, "promptTokenCount"):
        return _generate_content(usage)
    if _has(usage, "cache_read_input_tokens") or _has(usage, "cache_creation_input_tokens"):
        return Found(
            uncached_input=_count(usage, "input_tokens"),
            cached=_count(usage, "cache_read_input_tokens"),
            cache_written=_count(usage, "cache_creation_input_tokens"),
            output=_count(usage, "output_tokens"),
            reasoning=_thinking(usage),
            provider="anthropic",
        )
    if _has(usage, "cache_read_tokens"):
        return Found(
            input=_count(usage, "input_tokens"),
            cached=_count(usage, "cache_read_tokens"),
            cache_written=_count(usage, "cache_write_tokens"),
            output=_count(usage, "output_tokens"),
            reasoning=_count(usage, "output_reasoning_tokens") or _count(_field(usage, "details"), "reasoning_tokens"),
        )
    if _has(usage, "input_tokens") or _has(usage, "output_tokens"):
        details = _field(usage, "input_tokens_details")
        return Found(
            input=_count(usage, "input_tokens"),
            cached=_count(details, "cached_tokens"),
            cache_written=_count(details, "cache_write_tokens"),
            output=_count(usage, "output_tokens"),
            reasoning=_thinking(usage),
        )
    return Found()


def _chat_completion(usage: object) -> Found:
    details = _field(usage, "prompt_tokens_details")
    total, given = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    # Embeddings have no completion.
    is_input_alone = given is None and total is not None and _count(usage, "total_tokens") == total
    return Found(
        input=total,
        output=0 if is_input_alone else given,
        # litellm has both what OpenAI and what Anthropic call it.
        cached=_first(_count(details, "cached_tokens"), _count(usage, "cache_read_input_tokens")),
        cache_written=_first(
            _count(details, "cache_write_tokens"),
            _count(details, "cache_creation_tokens"),
            _count(usage, "cache_creation_input_tokens"),
        ),
        reasoning=_count(_field(usage, "completion_tokens_details"), "reasoning_tokens"),
    )


def _generate_content(usage: object) -> Found:
    def count(name: str) -> int | None:
        first, *others = name.split("_")
        return _first(_count(usage, name), _count(usage, first + "".join(map(str.title, others))))

    prompt = count("prompt_token_count")
    if prompt is None:
        return Found()
    thoughts = count("thoughts_token_count")
    return Found(
        input=prompt + (count("tool_use_prompt_token_count") or 0),
        cached=count("cached_content_token_count"),
        # A prompt that was refused has no candidates, and cost its input.
        output=(count("candidates_token_count") or 0) + (thoughts or 0),
        reasoning=thoughts,
        provider="google",
    )


def _thinking(usage: object) -> int | None:
    details = _field(usage, "output_tokens_details")
    return _first(_count(details, "reasoning_tokens"), _count(details, "thinking_tokens"))


def _facts(answer: object, usage: object) -> Found:
    if usage is None:
        return Found()
    hidden = _field(answer, "_hidden_params")
    return Found(
        model=_text(answer, "model", "model_name", "model_version", "modelVersion"),
        provider=_text(answer, "provider_name") or _text(hidden, "custom_llm_provider"),
        finish_reason=_finish_reason(answer),
        is_cached=True if _field(hidden, "cache_hit") is True else None,
    )


def _finish_reason(answer: object) -> str | None:
    for several in ("choices", "candidates"):
        if first := _first_of(_field(answer, several)):
            return _text(first, "finish_reason", "finishReason")
    incomplete = _text(_field(answer, "incomplete_details"), "reason")
    return (
        incomplete
        or _text(answer, "stop_reason", "finish_reason")
        or _text(_field(answer, "delta"), "stop_reason")
        or _text(_field(answer, "prompt_feedback"), "block_reason")
        or (_text(answer, "status") if _field(answer, "object") == "response" else None)
    )


def _messages_of_run(answer: object) -> list[object] | None:
    """Return the answers of the models in what an agent of pydantic-ai returned; None if it is not that."""
    new_messages = getattr(answer, "new_messages", None)
    if not callable(new_messages):
        return None
    return [message for message in new_messages() if _field(message, "kind") == "response"]


def _field(value: object, name: str) -> Any:
    if value is None or isinstance(value, str | bytes | int | float):
        return None
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _has(value: object, name: str) -> bool:
    return name in value if isinstance(value, Mapping) else hasattr(value, name)


def _count(value: object, name: str) -> int | None:
    found = _field(value, name)
    return None if found is None else int(found) if _is_whole(found) else _no_count(value, name, found)


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _no_count(value: object, name: str, found: object) -> int:
    raise InvalidUsage(f"{name} of {_named(value)} must be an integer, and it is {found!r}: {HOW_TO_WRITE}")


def _text(value: object, *names: str) -> str | None:
    for name in names:
        found = _field(value, name)
        # An enum of google-genai is a text whose value is the name on the wire.
        if isinstance(found, str) and found:
            return str(getattr(found, "value", found))
    return None


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _first_of(several: object) -> object:
    return several[0] if isinstance(several, Sequence) and not isinstance(several, str) and several else None
