"""A server that speaks the wire formats of OpenAI and Anthropic, for programs that must run without a network.

What it answers depends on what it is asked alone. Of each model it refuses the first call, with 429 and a time to wait;
some models fail once, and one is slow. That is what the real services do, and what a workflow has to survive.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

RETRY_AFTER_SECONDS = 0.05
FAILS_ONCE = ("gpt-5",)
SLOW = ("claude-haiku-4-5",)
SLOW_SECONDS = 0.3
TOOL_CALLS = 3
"""How often a model that is given a tool asks for it before it answers."""


class Refused(Exception):  # noqa: N818  # it is an answer of the server
    """An answer that is none: a status, a kind of error, and a sentence."""

    def __init__(self, status: int, kind: str, why: str) -> None:
        super().__init__(why)
        self.status, self.kind, self.why = status, kind, why


class Models:
    """The models of the server, which count the calls of each."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def reply(self, model: str, request: Mapping[str, Any]) -> str | Mapping[str, Any]:
        """Return a text, or the arguments of a call of the tool `look_up`. Raises `Refused`."""
        with self._lock:
            self.calls[model] += 1
            call = self.calls[model]
        if call == 1:
            raise Refused(429, "rate_limit_error", f"too many requests for {model}")
        if call == 2 and model in FAILS_ONCE:
            raise Refused(500, "server_error", f"{model} is overloaded")
        if model in SLOW:
            time.sleep(SLOW_SECONDS)
        messages = request["messages"]
        found = sum(message["role"] == "tool" for message in messages)
        if request.get("tools") and found < TOOL_CALLS:
            return {"subject": f"part {found + 1}"}
        return f"{model} has read {_tokens(messages)} tokens: {_last_line(messages)}"


def _last_line(messages: list[Mapping[str, Any]]) -> str:
    return str(messages[-1]["content"]).splitlines()[-1][:80]


def _tokens(value: object) -> int:
    """Four characters count as a token."""
    return max(1, len(json.dumps(value)) // 4)


def chat_completion(model: str, request: Mapping[str, Any], reply: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer in the format of OpenAI's chat completions."""
    message: dict[str, Any] = {"role": "assistant", "content": reply if isinstance(reply, str) else None}
    if not isinstance(reply, str):
        function = {"name": "look_up", "arguments": json.dumps(reply)}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    used, given = _tokens(request["messages"]), _tokens(reply)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "stop" if isinstance(reply, str) else "tool_calls"}
        ],
        "usage": {
            "prompt_tokens": used,
            "completion_tokens": given,
            "total_tokens": used + given,
            "prompt_tokens_details": {"cached_tokens": used // 2},
        },
    }


def message(model: str, request: Mapping[str, Any], reply: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an answer in the format of Anthropic's messages."""
    used = _tokens(request["messages"])
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": str(reply)}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": used, "cache_read_input_tokens": 0, "output_tokens": _tokens(reply)},
    }


FORMATS = {"/v1/chat/completions": chat_completion, "/v1/messages": message}


@contextmanager
def model_server(models: Models | None = None) -> Iterator[str]:
    """Serve in a thread for as long as the context lasts; yields the address."""
    models = models or Models()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            model = request["model"]
            try:
                answer = FORMATS[self.path](model, request, models.reply(model, request))
                self.answer(200, answer)
            except Refused as refused:
                error = {"type": "error", "error": {"type": refused.kind, "message": refused.why}}
                self.answer(refused.status, error)

        def answer(self, status: int, body: Mapping[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            if status == 429:
                self.send_header("retry-after", str(RETRY_AFTER_SECONDS))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
