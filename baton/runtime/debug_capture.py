"""What an attempt with debug leaves: its arguments, the results it received, its log lines, what its worker records."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from baton.core import codec
from baton.core.context import Leave
from baton.core.debug_mode import is_captured
from baton.core.error_texts import text_of
from baton.core.outcome import MAX_TRACE, storable
from baton.database.messages import Claimed
from baton.errors import NotJSON

MOST_RECORDS = 500
"""Of one attempt."""
MOST_CHARACTERS = 32_000
"""Of one record, as JSON."""
MOST_IN_ALL = 1_000_000
MASKED = "(redacted)"
_SECRET = re.compile(
    "pass(word|wd|phrase)|secret|api_?key|access_?key|private_?key|authorization|credential|cookie|(^|_)token$",
    re.IGNORECASE,
)
_MAY_HAVE_SECRETS = re.compile("pass|secret|key|authorization|credential|cookie|token", re.IGNORECASE)
OWN_LOGGERS = ("baton", "baton.")
STEP_LOGGER = "baton.step"

Redact = Callable[[str], str]


class DebugCapture:
    """Takes the records of one attempt, within its bounds. Fails no attempt, whatever it is given."""

    def __init__(self, leave: Leave) -> None:
        self._leave = leave
        self._records = 0
        self._characters = 0
        self._is_full = False

    def record(self, kind: str, payload: Any) -> None:
        if self._is_full:
            return
        text = _as_json(payload)
        self._records += 1
        self._characters += len(text)
        if self._records > MOST_RECORDS or self._characters > MOST_IN_ALL:
            self._is_full = True
            why = f"an attempt keeps {MOST_RECORDS} records and {MOST_IN_ALL:,} characters; what came later is left out"
            kind, text = "dropped", json.dumps(why)
        self._leave("debug", kind, text)

    def record_log(self, line: logging.LogRecord) -> None:
        said: dict[str, Any] = {"level": line.levelname, "logger": line.name, "message": line.getMessage()}
        if line.exc_info:
            trace = logging.Formatter().formatException(line.exc_info)
            said["traceback"] = storable(trace, MAX_TRACE)
        self.record("log", said)


_current: ContextVar[DebugCapture | None] = ContextVar("baton debug capture", default=None)


class _LogHandler(logging.Handler):
    """Gives the lines that are logged within an attempt to its capture."""

    def emit(self, record: logging.LogRecord) -> None:
        capture = _current.get()
        if capture is None or (record.name.startswith(OWN_LOGGERS) and not record.name.startswith(STEP_LOGGER)):
            return
        try:
            capture.record_log(record)
        except Exception:  # noqa: BLE001 - a message that cannot be formatted is reported by the other handlers
            self.handleError(record)


_handler = _LogHandler()


def begin_capture(
    claimed: Claimed, extras: Mapping[str, Any], arguments: Mapping[str, Any], results: Mapping[str, Any], leave: Leave
) -> DebugCapture | None:
    """Return the capture of an attempt whose worker is about to be called; None if it leaves no debug records.

    Lines that are logged in this context belong to it from now on.
    """
    stored = extras.get("debug")
    if stored is None or not is_captured(stored, claimed.step_id, claimed.token):
        if _current.get() is not None:
            _current.set(None)
        return None
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)
    capture = DebugCapture(leave)
    _current.set(capture)
    capture.record("arguments", dict(arguments))
    if results:
        capture.record("results", dict(results))
    return capture


def _as_json(payload: Any) -> str:
    """Return a payload as JSON, without secrets and cut. What has no form in JSON is a sentence."""
    try:
        text = codec.encode(payload)
        if _MAY_HAVE_SECRETS.search(text):
            text = codec.encode(_masked(codec.decode(text)))
    except NotJSON as error:
        text = json.dumps({"not JSON": storable(f"this record has no form in JSON: {error}", 2_000)})
    except Exception as error:  # noqa: BLE001 - the encoder calls the application's own code
        text = json.dumps({"not JSON": storable(f"this record could not be encoded: {text_of(error)}", 2_000)})
    if len(text) <= MOST_CHARACTERS:
        return text
    return json.dumps({"cut": text[: MOST_CHARACTERS // 2], "characters": len(text)})


def _masked(value: Any) -> Any:
    # JSON that was encoded is at most 200 levels deep.
    if isinstance(value, dict):
        return {key: MASKED if _SECRET.search(key) else _masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return value


def redacted_json(text: str, redact: Redact) -> str:
    """Return JSON in which each text has passed through `redact`."""
    return codec.encode(_redacted(codec.decode(text), redact))


def _redacted(value: Any, redact: Redact) -> Any:
    match value:
        case str():
            try:
                return storable(redact(value), MOST_CHARACTERS)
            except Exception:  # noqa: BLE001 - the user's code; its failure must not let the text through
                return "(left out: the redaction of this text failed)"
        case dict():
            return {key: _redacted(inner, redact) for key, inner in value.items()}
        case list():
            return [_redacted(inner, redact) for inner in value]
        case _:
            return value
