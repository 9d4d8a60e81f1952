"""Metrics as Prometheus scrapes them: of a pool in the process, and of what `baton worker` runs."""

from __future__ import annotations

import re

import httpx
import pytest

from baton import Baton, WorkerPool, each, worker
from baton.contrib.metric_families import BOUNDS, FAMILIES, Samples, sample_names
from baton.contrib.prometheus import Metrics
from baton.errors import BatonError
from tests.cli.command import DEADLINE_SECONDS, free_port, status_is, worker_process
from tests.programs.shared_workers import noted
from tests.waiting import eventually

LINE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)$')


def scraped(text: str) -> dict[str, float]:
    """The samples in a text, by name and labels; fails for a line that is none."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = LINE.match(line).groups()
            found[f"{name}{{{labels}}}" if labels else name] = float(value)
    return found


@pytest.fixture
def flaky():
    """A worker that fails once."""
    calls = []

    @worker(backoff=0)
    async def flaky() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError

    return flaky


async def test_attempts_are_counted_by_worker_and_outcome(engine, quick, flaky):
    metrics = Metrics()
    async with WorkerPool(engine, queues={"default": 7}, observers=[metrics]) as pool:
        run = await Baton.new().add("a", quick.new(value=each([1, 2, 3]))).add("b", flaky.new()).insert()
        await run.wait(timeout=20)
        found = scraped(await metrics.text(pool))

    assert found['baton_attempts_total{queue="default",worker="quick",outcome="completed"}'] == 3
    assert found['baton_attempts_total{queue="default",worker="flaky",outcome="failed"}'] == 1
    assert found['baton_attempts_total{queue="default",worker="flaky",outcome="completed"}'] == 1
    assert found['baton_attempt_seconds_count{worker="quick"}'] == 3
    assert found['baton_attempt_seconds_bucket{worker="quick",le="+Inf"}'] == 3
    assert found['baton_attempts_running{queue="default"}'] == 0
    assert found['baton_slots{queue="default"}'] == 7
    assert found["baton_ready"] == 1
    assert found["baton_steps_claimed_total"] >= 5


async def test_queues_are_read_when_they_are_scraped(engine, quick):
    for _ in range(3):
        await quick.new().insert()
    await quick.new().with_options(queue="later", schedule_in=60).insert()
    await engine.pause("later")

    found = scraped(await Metrics().text(engine=engine))

    assert found['baton_queue_entries{queue="default",state="available"}'] == 3
    assert found['baton_queue_oldest_seconds{queue="default",state="available"}'] > 0
    assert found['baton_queue_entries{queue="later",state="scheduled"}'] == 1
    assert found['baton_queue_paused{queue="later"}'] == 1


async def test_a_database_that_is_away_leaves_the_rest(engine, connection):
    metrics = Metrics()
    await connection.execute("drop table queue cascade")

    found = scraped(await metrics.text(engine=engine))

    assert found["baton_leases_lost_total"] == 0
    assert not any(name.startswith("baton_queue") for name in found)


def test_buckets_count_what_is_below_their_bound():
    samples = Samples()
    (family,) = [family for family in FAMILIES if family.kind == "histogram"]
    for seconds in (0.001, 0.002, 100_000):
        samples.time(family, seconds, ("w",))

    found = scraped(samples.text())

    buckets = [found[f'{family.name}_bucket{{worker="w",le="{bound:g}"}}'] for bound in BOUNDS]
    assert buckets == [1, *[2] * (len(BOUNDS) - 1)]
    assert found[f'{family.name}_bucket{{worker="w",le="+Inf"}}'] == 3


def test_hostile_names_are_escaped():
    samples = Samples()
    (family,) = [family for family in FAMILIES if family.name == "baton_slots"]
    samples.put(family, 1, ('a"b\\c\nd',))

    assert 'baton_slots{queue="a\\"b\\\\c\\nd"} 1' in samples.text().splitlines()


def test_samples_survive_the_way_to_another_process():
    samples = Samples()
    for family in FAMILIES:
        labels = tuple(family.labels)
        if family.kind == "histogram":
            samples.time(family, 0.5, labels)
        else:
            samples.put(family, 3.5, labels)

    assert Samples.from_json(samples.as_json()).text() == samples.text()
    assert {name.partition("{")[0] for name in scraped(samples.text())} == set(sample_names())


def test_processes_are_added_up_and_the_database_is_not():
    one, other = Samples(), Samples()
    by_name = {family.name: family for family in FAMILIES}
    for samples in (one, other):
        samples.add(by_name["baton_steps_claimed_total"], by=2)
        samples.put(by_name["baton_queue_entries"], 5, ("default", "available"))
        samples.time(by_name["baton_attempt_seconds"], 1, ("w",))
    one.put(by_name["baton_ready"], 1)
    other.put(by_name["baton_ready"], 0)

    one.merge(other)

    found = scraped(one.text())
    assert found["baton_steps_claimed_total"] == 4
    assert found['baton_queue_entries{queue="default",state="available"}'] == 5
    assert found['baton_attempt_seconds_sum{worker="w"}'] == 2
    assert found["baton_ready"] == 0


async def test_a_pool_that_runs_takes_no_more_observers(engine):
    async with WorkerPool(engine) as pool:
        with pytest.raises(BatonError, match="add an observer before that"):
            pool.observe(Metrics())


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--processes", "2")], ids=["one process", "two processes"])
async def test_a_worker_process_serves_its_metrics(database, engine, effects, tmp_path, options):
    """Of several processes the numbers are put together."""
    port = free_port()
    command = ("--health", f"127.0.0.1:{port}", "--queues", "default=4", *options)
    with worker_process(
        "tests.programs.shared_workers", *command, cwd=tmp_path, database=database, EFFECTS=str(effects.path)
    ):
        await eventually(lambda: status_is(port, 200), deadline=DEADLINE_SECONDS)
        for _ in range(5):
            await noted.new().insert()

        async def counted() -> float:
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
            found = scraped(answer.text)
            return sum(value for name, value in found.items() if name.startswith("baton_attempts_total")) == 5

        await eventually(counted, deadline=DEADLINE_SECONDS)
