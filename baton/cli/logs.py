"""How a worker process logs: text for people, or a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal

from baton.cli.text import visible_lines
from baton.runtime.attempts import current

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = ("text", "json")
LEVELS = ("debug", "info", "warning", "error", "critical")
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_OF_RECORDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OURS = ("time", "level", "logger", "message", "workflow_id", "workflow_name", "step", "attempt", "pid")
_RESERVED = frozenset({*_OURS, "exception", "stack", "extra"})
# Valid in JSON, but a terminal obeys them or shows something else than what is there; and lone
# surrogates, which no stream can encode.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def set_up(form: Form | None, level: str | None) -> None:
    """Log to stderr. Without a form, logging that the application set up itself is left as it is but for the level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines(is_ascii=not _is_utf8(handler.stream)) if form == "json" else TextLines(TEXT))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=form is not None)
    if level is not None:
        logging.getLogger().setLevel(level.upper())
    if form == "json":
        _log_what_python_prints()


class TextLines(logging.Formatter):
    """Lines for people: what steers a terminal, in a message or an error, is escaped."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        except Exception:  # noqa: BLE001 - see _message
            fixed = copy(record)
            fixed.msg, fixed.args = _message(record), None
            text = super().format(fixed)
        return visible_lines(text)


class JSONLines(logging.Formatter):
    """One JSON object a line, whatever is logged.

    It has time, level, logger, message and pid; what the caller gave as `extra`; for what is logged while a step runs,
    workflow_id, workflow_name, step and attempt; and exception, the traceback as text. An extra that has one of these
    names is in an object `extra`. A value that JSON has no form for is written as its text.
    """

    def __init__(self, *, is_ascii: bool = False) -> None:
        super().__init__()
        self._is_ascii = is_ascii

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_step(),
            "pid": record.process,
        }
        extras = {str(name): value for name, value in vars(record).items() if name not in _OF_RECORDS}
        line |= {name: value for name, value in extras.items() if name not in _RESERVED}
        if record.exc_info or record.exc_text:
            line["exception"] = self._traceback(record)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        members = [f"{self._json(name)}: {self._json(value)}" for name, value in line.items()]
        hidden = {
            name: value for name, value in extras.items() if name in _RESERVED and not _is_said(name, value, line)
        }
        if hidden:
            inner = ", ".join(f"{self._json(name)}: {self._json(value)}" for name, value in hidden.items())
            members.append(f'"extra": {{{inner}}}')
        return "{" + ", ".join(members) + "}"

    def _traceback(self, record: logging.LogRecord) -> str:
        # Who has written it already has left out what must not be shown, such as the input of
        # Pydantic's errors.
        if record.exc_text or not record.exc_info:
            return str(record.exc_text)
        try:
            return self.formatException(record.exc_info)
        except Exception:  # noqa: BLE001 - an error's attributes are the user's code
            return f"{_text(record.exc_info[1])} (its traceback cannot be read)"

    def _json(self, value: object) -> str:
        try:
            text = json.dumps(value, ensure_ascii=self._is_ascii, allow_nan=False, default=_text)
        except Exception:  # noqa: BLE001 - NaN, keys that are no strings, cycles, depth, the user's own methods
            text = json.dumps(_text(value), ensure_ascii=self._is_ascii)
        return _UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _message(record: logging.LogRecord) -> str:
    """Return the message with its arguments in it; if they do not fit, behind it."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit the format, or whose __str__ raises
        return f"{_text(record.msg)} {_text(record.args)}"


def _is_said(name: str, value: object, line: Mapping[str, object]) -> bool:
    """Whether an extra says what the line says anyway, as those of the library do about a step."""
    said = line.get(name)
    return type(value) is type(said) and value == said


def _text(value: object) -> str:
    """Return a value's text, whatever its methods do."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the user's code
        return f"({type(value).__name__} whose text cannot be read)"


def _step() -> Mapping[str, object]:
    """Return the step that the logging code runs for, if it runs for one."""
    if (attempt := current.get()) is None:
        return {}
    claimed = attempt.claimed
    return {
        "workflow_id": claimed.workflow_id,
        "workflow_name": claimed.workflow_name,
        "step": claimed.step,
        "attempt": claimed.attempt,
    }


def _log_what_python_prints() -> None:
    """Log warnings and the errors that nothing catches, which Python would print as text between the objects."""
    log = logging.getLogger("baton.uncaught")

    def uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("an error ended the process", exc_info=(kind, error, traceback))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            name = args.thread.name if args.thread is not None else "a thread"
            log.error("an error ended %s", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    def unraisable(args: Any) -> None:
        message = args.err_msg or "an error could not be raised"
        log.error("%s: %s", message, _text(args.object), exc_info=args.exc_value)

    logging.captureWarnings(True)
    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable


def _is_utf8(stream: object) -> bool:
    return str(getattr(stream, "encoding", "")).lower().replace("-", "") == "utf8"
