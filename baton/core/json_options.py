"""Options of jobs in their form in JSON, as templates and the items of maps have them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from baton.core.options import GivenOptions, job_options
from baton.core.retry import Exponential


def option_of_json(option: str, value: Any) -> Any:
    """Return an option as `Job.with_options` takes it. Raises `TypeError` and `msgspec.ValidationError`."""
    match option, value:
        case "scheduled_at", str():
            return msgspec.convert(value, datetime)
        case "backoff", dict():
            return Exponential(**value)
        case _:
            return value


def options_of_json(given: Mapping[str, Any]) -> GivenOptions:
    """Return options as they are stored. Raises `InvalidOption`, and what `option_of_json` raises."""
    return job_options({option: option_of_json(option, value) for option, value in given.items()})
