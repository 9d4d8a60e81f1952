"""How a worker process logs: text for people, or a JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from baton.runtime.attempts import current

Form = Literal["text", "json"]
FORMS: tuple[Form, ...] = ("text", "json")
LEVELS = ("debug", "info", "warning", "error", "critical")
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(form: Form | None, level: str | None) -> None:
    """Log to stderr. Without a form, logging that the application set up itself is left as it is but for the level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=form is not None)
    if level is not None:
        logging.getLogger().setLevel(level.upper())


class JSONLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, pid; what the caller gave as `extra`; of whatever is logged
    while a step runs, workflow_id, workflow_name, step and attempt; and exception, the traceback as text."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        line = {**_step(), **{name: value for name, value in vars(record).items() if name not in _OWN}, **line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(_in_order(line), ensure_ascii=False, default=str)


_FIRST = ("time", "level", "logger", "message")


def _in_order(line: Mapping[str, object]) -> dict[str, object]:
    """What a person looks for first comes first."""
    return {name: line[name] for name in _FIRST} | dict(line)


def _step() -> dict[str, object]:
    """The step that the logging code runs for, if it runs for one."""
    if (attempt := current.get()) is None:
        return {}
    claimed = attempt.claimed
    return {
        "workflow_id": claimed.workflow_id,
        "workflow_name": claimed.workflow_name,
        "step": claimed.step,
        "attempt": claimed.attempt,
    }
