"""The mutants of what is followed while a run goes on: each takes one of its rules out."""

from __future__ import annotations

from campaign.mutants.catalogue import Change, Mutant

_EVENTS = ("tests/client/test_run_events.py",)
_STREAMS = ("tests/client/test_streams.py",)
_DEBUG = ("tests/runtime/test_debug.py",)

MUTANTS_OF_FOLLOWERS = (
    Mutant(
        "a cursor that fits no longer is taken",
        (Change("baton/client/following.py", "if self._cursor(feed, reading) == cursor:", "if True:"),),
        _EVENTS,
    ),
    Mutant(
        "the progress of an attempt before is shown",
        (Change("baton/database/run_readings.py", "o.step_id = a.id and o.token = a.token", "o.step_id = a.id"),),
        _EVENTS,
    ),
    Mutant(
        "a retry goes on with what the failed attempt published",
        (Change("sql/functions/write_streams.sql", "if is_anew then", "if false then"),),
        _STREAMS,
    ),
    Mutant(
        "every part may read debug records",
        (Change("baton/database/grants.py", '() if part == "debug" else DEBUG_TABLES', "()"),),
        _DEBUG,
    ),
)
