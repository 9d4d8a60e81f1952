"""What cannot be a limit, and units that could never start: each gets a sentence."""

from __future__ import annotations

import pytest

from baton import Baton, InvalidOption, insert_many, worker


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"running": 0}, "engine.pause('service')"),
        ({"lane_running": 0}, "engine.pause('service', lane=...)"),
        ({"running": -1}, "between 1 and 1,000,000"),
        ({"running": 2.5}, "must be an integer"),
        ({"running": True}, "must be an integer"),
        ({"starts": 0, "per": 60}, "engine.pause('service')"),
        ({"starts": -5, "per": 60}, "a number of units, more than 0"),
        ({"starts": float("nan"), "per": 60}, "a number of units, more than 0"),
        ({"starts": 500}, "Give per as well"),
        ({"per": 60}, "give both"),
        ({"burst": 60}, "give both"),
        ({"lane_burst": 60}, "it belongs to lane_starts"),
        ({"starts": 500, "per": 0}, "more than 0 seconds"),
        ({"starts": 500, "per": 60, "burst": 0.5}, "at least 1"),
        ({"starts": 1e300, "per": 1}, "at most 1,000,000,000 units a second"),
        ({}, "remove_limit('service')"),
    ],
)
async def test_what_is_no_longer_a_limit_gets_a_sentence(engine, given, says):
    with pytest.raises(InvalidOption) as refused:
        await engine.limit("service", **given)

    assert says in str(refused.value)


@pytest.mark.parametrize("units", [0, -1, 1.5, 2_000_000_000])
def test_units_are_a_positive_integer(quick, units):
    with pytest.raises(InvalidOption):
        quick.new().with_options(units=units)


@pytest.mark.parametrize("lane", ["", " ", 7, "x" * 201])
def test_a_lane_is_a_name(quick, lane):
    with pytest.raises(InvalidOption):
        quick.new().with_options(lane=lane)


@worker(name="limits large")
async def large() -> None: ...


@pytest.mark.parametrize(
    "insert",
    [lambda job: job.insert(), lambda job: insert_many([job, job]), lambda job: Baton.new().add("a", job).insert()],
)
async def test_units_above_the_burst_are_refused(engine, connection, insert):
    await engine.limit("default", starts=90_000, per=60, burst=1000)

    with pytest.raises(InvalidOption, match="no more than 1000 units may start at once in queue 'default'; raise b"):
        await insert(large.new().with_options(units=1200))
    assert await connection.fetchval("select count(*) from workflows") == 0

    await insert(large.new().with_options(units=1000))
