"""docs/observing.md shows what is there, and the dashboard and the alert rules ask for metrics that exist."""

from __future__ import annotations

import json
import logging
import re
import typing

import httpx
import pytest
import yaml

from baton import WorkerPool, events, worker
from baton.contrib.metric_families import FAMILIES, sample_names
from tests.cli.command import ROOT

TEXT = (ROOT / "docs" / "observing.md").read_text()
BLOCKS = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
BOARD = json.loads((ROOT / "docs" / "operations" / "dashboard.json").read_text())
RULES = yaml.safe_load((ROOT / "docs" / "operations" / "alerts.yml").read_text())
QUERIES = {
    **{panel["title"]: [target["expr"] for target in panel["targets"]] for panel in BOARD["panels"]},
    **{rule["alert"]: [rule["expr"]] for group in RULES["groups"] for rule in group["rules"]},
}
COUNTERS = {family.name for family in FAMILIES if family.kind == "counter"}
LABELS = {name: {*family.labels, "le"} for family in FAMILIES for name in sample_names([family])}


def test_every_metric_is_listed():
    listed = re.findall(r"^\| `(baton_\w+)` \| (.*?) \| (.*?) \|$", TEXT, re.MULTILINE)

    assert listed == [(family.name, ", ".join(family.labels), family.help) for family in FAMILIES]


def test_every_event_is_listed():
    listed = set(re.findall(r"`([A-Z]\w+)`", "".join(re.findall(r"^\| `[A-Z].*?\|", TEXT, re.MULTILINE))))

    assert listed == {event.__name__ for event in typing.get_args(events.Event)}


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_asks_for_metrics_that_exist(title):
    """And selects and groups by labels that they have."""
    for query in QUERIES[title]:
        names = re.findall(r"\bbaton_\w+", query)
        assert names
        assert set(names) <= set(sample_names())
        known = set.union(*[LABELS[name] for name in names])
        grouped = {label.strip() for by in re.findall(r"(?:by|on) \((.*?)\)", query) for label in by.split(",")}
        selected = set(re.findall(r"[{,]\s*(\w+)=", query))
        assert grouped | selected <= known
        assert query.count("(") == query.count(")")
        for name in set(names) & COUNTERS:
            assert query.count(name) == len(re.findall(rf"(?:rate|increase)\({name}", query)), "a counter only grows"


def test_labels_in_texts_are_those_of_the_query():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
            grouped = {label.strip() for by in re.findall(r"by \((.*?)\)", rule["expr"]) for label in by.split(",")}
            assert used <= grouped, rule["alert"]


async def test_the_observer_reports_a_step_that_failed_for_good(engine, capsys):
    names: dict[str, typing.Any] = {}
    exec(BLOCKS["observer.py"], names)

    @worker(max_attempts=1)
    async def breaks() -> None:
        from baton import Baton

        Baton.new().validate()

    async with names["pool"](engine):
        run = await breaks.new().insert(workflow_id="w")
        await run.wait(timeout=20)

    assert "w/breaks failed for good" in capsys.readouterr().out


async def test_the_endpoint_answers_with_metrics(database, monkeypatch):
    monkeypatch.setenv("BATON_DATABASE_URL", database)
    names: dict[str, typing.Any] = {"__name__": "endpoint"}
    exec(BLOCKS["endpoint.py"], names)
    app = names["app"]

    async with (
        names["lifespan"](app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client,
    ):
        answer = await client.get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "baton_ready 1\n" in answer.text


async def test_a_failed_attempt_carries_its_exception_in_the_record(engine, caplog):
    """Handlers that group by exception find it there; what is redacted has none."""

    @worker(max_attempts=1)
    async def fails() -> None:
        raise ValueError("secret")

    for redact in (None, str.upper):
        async with WorkerPool(engine, redact=redact):
            await (await fails.new().insert()).wait(timeout=20)

    plain, redacted = [record for record in caplog.records if record.name == "baton.attempts"]
    assert isinstance(plain.exc_info[1], ValueError)
    assert (plain.worker, plain.outcome, plain.levelno) == ("fails", "failed", logging.ERROR)
    assert redacted.exc_info is None
    assert "SECRET" in redacted.getMessage()
