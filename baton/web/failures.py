"""What a reader is shown of an error: a status and a sentence, never more than that."""

from __future__ import annotations

import asyncio
import logging

import asyncpg

from baton.errors import (
    BatonError,
    EngineClosed,
    InterventionRefused,
    InvalidOption,
    NoEngine,
    RetryRefused,
    ScheduleNotFound,
    SignalRefused,
    StepNotFound,
    WorkflowNotFound,
    WrongEventLoop,
)
from baton.web.view import Refused

log = logging.getLogger("baton.web")


def refusal_of(error: Exception) -> Refused:
    """Return the answer to a request that failed. What the reader cannot mend is logged with its traceback."""
    match error:
        case Refused():
            return error
        case WorkflowNotFound() | StepNotFound() | ScheduleNotFound():
            return Refused(404, str(error))
        case SignalRefused() | RetryRefused() | InterventionRefused():
            return Refused(409, f"{error}. Nothing was changed.")
        case InvalidOption():
            return Refused(400, str(error))
        case EngineClosed() | NoEngine() | WrongEventLoop():
            log.error("the dashboard has no engine: %s", error)
            return Refused(503, "The application has not opened its engine. Its log says more.")
        case asyncpg.InsufficientPrivilegeError():
            return Refused(403, "The database role of this dashboard may not do this. Nothing was changed.")
        case asyncio.TimeoutError() | OSError() | asyncpg.InterfaceError() | asyncpg.PostgresConnectionError():
            log.warning("the dashboard cannot reach the database: %s: %s", type(error).__name__, error)
            return Refused(503, "The database does not answer. Load the page again in a moment.")
        case BatonError():
            return Refused(409, f"{error}. Nothing was changed.")
        case _:
            log.error("a page of the dashboard failed", exc_info=error)
            return Refused(500, "This page failed. The log of the application has the error.")
