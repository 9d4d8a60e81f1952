"""The options of workers and jobs, and the values that they may have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, TypedDict, get_args

import msgspec

from baton.core.durations import Seconds, checked_deadline, seconds
from baton.core.holes import Param
from baton.core.names import checked_text
from baton.core.retry import Exponential, storable_backoff
from baton.errors import InvalidName, InvalidOption
from baton.errors.texts import did_you_mean

MAX_SMALL_INTEGER = 32_767
Overlap: TypeAlias = Literal["skip", "allow", "replace", "queue one"]
"""What becomes of a schedule's slot while the run of an earlier one is not final."""
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
MOST_SLOTS = 1_000_000
"""Of one queue in one pool; more is a mistake."""
MOST_UNITS = 1_000_000_000
"""Of one step; more does not fit into the database's integers when they are added up."""
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
FIRST_YEAR, LAST_YEAR = 1900, 9000
"""Earlier and later times are mistakes, such as `datetime.max`, which PostgreSQL would read as infinity."""


class Options(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The options with which a step runs, in the form in which they are stored; durations are seconds.

    The first four are those of the worker unless the job is given others; the other ones are a job's own.
    """

    queue: str
    priority: int
    """0 is claimed first."""
    max_attempts: int
    lane: str | None = None
    """Its lane in the queue; None for none."""
    units: int | None = None
    """How much a start uses of the rates of the queue; None for 1."""
    timeout: float | None = None
    """Seconds one attempt may take; None for no limit."""
    scheduled_at: datetime | None = None
    """In UTC; the step does not start before this time."""
    schedule_in: float | None = None
    """Seconds that pass between the step's release and its first start."""
    concurrency: int | None = None
    """How many children of a map run at a time; None for no limit."""
    tolerate: int | str | None = None
    """How many children of a map may fail, or what share, as in "10%"; None: if one fails, it fails in the end."""
    needs: int | None = None
    """How many children of a map have to complete; None for all."""
    deadline: float | None = None
    """Seconds after its release at which the step is ended; None for never."""
    start_within: float | None = None
    """Seconds after its release at which the step is ended unless it has started; None for never."""
    backoff: float | Exponential | None = None
    """Seconds, or how they grow, after a failed attempt; None for the worker's policy, which is not stored."""


class JobOptions(TypedDict, total=False):
    """The options that `Job.with_options` takes, where they are described; for functions that pass them on.

    As in `def urgent(job: Job, **options: Unpack[JobOptions]) -> Job`.
    """

    queue: str
    lane: str
    units: int
    priority: int
    max_attempts: int
    timeout: Seconds | None
    scheduled_at: datetime
    schedule_in: Seconds
    concurrency: int
    tolerate: int | str
    needs: int
    deadline: Seconds
    start_within: Seconds
    backoff: Seconds | Exponential


GivenOptions: TypeAlias = Mapping[str, Any]
"""The options a job was given itself, as they are stored; only these count for the fingerprint of its workflow."""


def worker_options(queue: object, priority: object, max_attempts: object, timeout: object) -> Options:
    """Return the options of a worker. Raises `InvalidOption` for the first one that is not valid."""
    return Options(
        queue=checked_queue("queue", queue),
        priority=_priority("priority", priority),
        max_attempts=_max_attempts("max_attempts", max_attempts),
        timeout=_timeout("timeout", timeout),
    )


def job_options(given: Mapping[str, object]) -> GivenOptions:
    """Return the options of a job in the form in which they are stored.

    Raises `InvalidOption` for the first one that is not valid, and `TypeError` for one that does not exist.
    """
    if unknown := [option for option in given if option not in _CHECKS]:
        hint = did_you_mean(unknown[0], _CHECKS)
        raise TypeError(f"a job has no option {unknown[0]!r}{hint}")
    # What fills a hole is checked then.
    return {
        option: value if isinstance(value, Param) else _CHECKS[option](option, value) for option, value in given.items()
    }


def without_holes(given: GivenOptions) -> GivenOptions:
    """Return options without those for which a hole stands."""
    if not any(isinstance(value, Param) for value in given.values()):
        return given
    return {option: value for option, value in given.items() if not isinstance(value, Param)}


def check_together(given: GivenOptions, *, is_map: bool) -> None:
    """Raise `InvalidOption` for options of a job that do not go together."""
    given = without_holes(given)
    for option in ("concurrency", "tolerate", "needs"):
        if option in given and not is_map:
            raise InvalidOption(option, given[option], "no argument of this job is each(...), so it has no children")
    if "scheduled_at" in given and "schedule_in" in given:
        why = "the job has scheduled_at as well; give one of the two"
        raise InvalidOption("schedule_in", given["schedule_in"], why)
    if "tolerate" in given and "needs" in given:
        why = "the job has needs as well, which says how many failures end it; give one of the two"
        raise InvalidOption("tolerate", given["tolerate"], why)
    for option in ("deadline", "start_within"):
        if given.get(option, math.inf) <= given.get("schedule_in", 0):
            why = f"it is past before the step may start, schedule_in={given['schedule_in']:g} s after its release"
            raise InvalidOption(option, given[option], f"{why}; both count from the release")
    if given.get("start_within", 0) >= given.get("deadline", math.inf):
        why = f"the deadline of {given['deadline']:g} s comes first; make that later, or leave one of the two out"
        raise InvalidOption("start_within", given["start_within"], why)


def checked_option_name(option: str, value: object) -> str:
    """Return an option that is a name, of a queue or a pool. Raises `InvalidOption`."""
    try:
        return checked_text(option, value)
    except InvalidName as error:
        raise InvalidOption(option, value, error.why) from None


def checked_queue(option: str, value: object) -> str:
    """Return the name of a queue. Raises `InvalidOption`."""
    return checked_option_name(option, value)


def at_least_one(option: str, value: int | None) -> int | None:
    """Return an integer of at least 1, or None. Raises `InvalidOption`."""
    if value is not None and (type(value) is not int or value < 1):
        raise InvalidOption(option, value, "it must be an integer of at least 1, or None")
    return value


def checked_list(option: str, value: object, example: str) -> list[Any]:
    """Return an option that is a list. Raises `InvalidOption` for one thing in place of a list of things."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidOption(option, value, f"it must be a list, as in {option}=[{example}]")
    return list(value)


def checked_queues(queues: Mapping[str, int] | None) -> dict[str, int]:
    """Return how many steps of each queue a pool runs at once. Raises `InvalidOption`."""
    if queues is None:
        return {"default": 20}
    if not isinstance(queues, Mapping):
        raise InvalidOption("queues", queues, "it says how many steps of each queue run at once, as in {'default': 20}")
    if not queues:
        raise InvalidOption("queues", queues, "a pool serves at least one queue; name one, or leave out queues=")
    for queue, limit in queues.items():
        checked_queue("queues", queue)
        if type(limit) is not int or not 1 <= limit <= MOST_SLOTS:
            why = f"a queue runs at least one step at a time, and at most {MOST_SLOTS:,}"
            raise InvalidOption("queues", {queue: limit}, why)
    return dict(queues)


def _integer(option: str, value: object, lowest: int, highest: int = MAX_SMALL_INTEGER) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidOption(option, value, "it must be an integer")
    if not lowest <= value <= highest:
        raise InvalidOption(option, value, f"it must be between {lowest} and {highest}")
    return int(value)


def _priority(option: str, value: object) -> int:
    return _integer(option, value, 0)


def _max_attempts(option: str, value: object) -> int:
    return _integer(option, value, 1)


def _concurrency(option: str, value: object) -> int:
    return _integer(option, value, 1, 1_000_000)


def _units(option: str, value: object) -> int:
    return _integer(option, value, 1, MOST_UNITS)


def _tolerate(option: str, value: object) -> int | str:
    if isinstance(value, str):
        share = _SHARE.fullmatch(value.strip())
        if share is None or float(share[1]) > 100:
            raise InvalidOption(option, value, 'a share is written as in "10%", and is at most 100%')
        return f"{share[1]}%"
    try:
        return _integer(option, value, 0, MOST_SLOTS)
    except InvalidOption as error:
        raise InvalidOption(option, value, f'{error.why}, or a share such as "10%"') from None


def _needs(option: str, value: object) -> int:
    return _integer(option, value, 1, MOST_SLOTS)


def _timeout(option: str, value: object) -> float | None:
    if value is None:
        return None
    limit = seconds(option, value)
    if limit == 0:
        raise InvalidOption(option, value, "it must be more than 0 seconds; None means no limit")
    return limit


def checked_time(option: str, value: object) -> datetime:
    """Return a time in UTC. Raises `InvalidOption` for one without a time zone, or in an impossible year."""
    if not isinstance(value, datetime):
        raise InvalidOption(option, value, "it must be a datetime")
    if value.utcoffset() is None:
        raise InvalidOption(option, value, "the datetime is naive; give it a time zone, such as tzinfo=timezone.utc")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        why = f"it must be between the years {FIRST_YEAR} and {LAST_YEAR}; leave it out to start at once"
        raise InvalidOption(option, value, why)
    # JSON writes the offset in whole minutes, and older time zones have seconds in it.
    return value.astimezone(UTC)


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "queue": checked_queue,
    "lane": checked_option_name,
    "units": _units,
    "priority": _priority,
    "max_attempts": _max_attempts,
    "timeout": _timeout,
    "scheduled_at": checked_time,
    "schedule_in": seconds,
    "concurrency": _concurrency,
    "tolerate": _tolerate,
    "needs": _needs,
    "deadline": checked_deadline,
    "start_within": checked_deadline,
    "backoff": storable_backoff,
}
