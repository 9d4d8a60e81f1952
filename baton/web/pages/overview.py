"""The front page: what is wrong, then what goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from baton.core.states import WorkflowState
from baton.database.overview import (
    LOOKED_AT,
    MINUTES,
    PoolFacts,
    QueueCounts,
    Recent,
    read_pools,
    read_queue_counts,
    read_recent,
)
from baton.database.run_list import read_run_page, run_filter
from baton.database.schedules import ScheduleRecord, ScheduleStore
from baton.web.bars import bars
from baton.web.rendering import Page, duration, plural, url
from baton.web.view import View

FAILED_SHOWN = 8
BACKLOG_SECONDS = 600.0


async def overview(view: View) -> Page:
    """Show troubles, throughput, queues, pools and schedules."""
    calls, schema = view.engine.store.calls, view.engine.schema
    recent = await read_recent(calls, schema)
    failed = await read_run_page(calls, schema, run_filter("failed", None, None), FAILED_SHOWN, None, windows=1)
    queues = await read_queue_counts(calls, schema)
    pools = await read_pools(calls, schema)
    troubled = await ScheduleStore(calls, schema).records(only_troubled=True)
    facts = {
        "recent": recent,
        "is_partial": recent.looked_at == LOOKED_AT,
        "ended": _ended(recent),
        "bars": bars([(one.minutes_ago, one.state, one.number) for one in recent.ended], MINUTES),
        "failed": failed.runs,
        "queues": queues,
        "alive": [pool for pool in pools if pool.is_alive],
        "troubles": [*_troubles(queues, pools, troubled, recent)],
        "now": recent.now,
    }
    return Page("overview.html", "Overview", facts, follows="all")


def _ended(recent: Recent) -> Counter[WorkflowState]:
    ended: Counter[WorkflowState] = Counter()
    for one in recent.ended:
        ended[one.state] += one.number
    return ended


def _troubles(
    queues: Sequence[QueueCounts], pools: Sequence[PoolFacts], schedules: Sequence[ScheduleRecord], recent: Recent
) -> Iterator[tuple[str, str]]:
    """Yield what needs somebody, as a sentence, and the page that shows it."""
    for queue in queues:
        waiting = plural(queue.available, "step waits", "steps wait")
        if queue.available and queue.paused_at is not None:
            yield f"Queue {queue.name!r} is paused, and {waiting} in it.", "queues"
        elif queue.available and not queue.pools:
            yield f"No living pool serves queue {queue.name!r}, in which {waiting}.", "queues"
        elif queue.oldest_at and (seconds := (recent.now - queue.oldest_at).total_seconds()) > BACKLOG_SECONDS:
            yield f"In queue {queue.name!r} a step has waited for {duration(seconds)}.", "queues"
    for pool in pools:
        if not pool.is_alive and pool.executing:
            lost = plural(pool.executing, "step is", "steps are")
            yield f"Pool {pool.name!r} is gone, and {lost} not yet given to another one.", "pools"
        for failure in pool.failures:
            yield f"In pool {pool.name!r}: {failure}", "pools"
    for schedule in schedules:
        if schedule.failures:
            yield f"Schedule {schedule.name!r} cannot fire: {schedule.error}", url("schedules")
        else:
            yield f"Schedule {schedule.name!r} has missed a slot within the last day.", "schedules"
