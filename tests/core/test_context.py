from __future__ import annotations

import logging

import pytest

from baton.core.context import Context

CONTEXT = Context("w 1", "compare", "report", 2, 20, {"a": None, "b": {"n": 1}})


def test_a_result_that_is_none_is_a_result() -> None:
    assert CONTEXT.results["a"] is None
    assert dict(CONTEXT.results) == {"a": None, "b": {"n": 1}}


def test_a_result_that_is_not_there_is_explained() -> None:
    with pytest.raises(KeyError, match="'c' is not a declared dependency of step 'report', or it ended without a res"):
        CONTEXT.results["c"]
    assert "c" not in CONTEXT.results
    assert CONTEXT.results.get("c", 5) == 5


def test_the_idempotency_key_is_the_same_for_every_attempt() -> None:
    again = Context("w 1", "compare", "report", 3, 20, {})
    assert again.idempotency_key == CONTEXT.idempotency_key == "w 1/report"


def test_its_log_names_the_step(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="baton.step"):
        CONTEXT.log.info("fetched %d", 3, extra={"url": "x"})
    facts = vars(caplog.records[0])
    assert (facts["workflow_id"], facts["step"], facts["attempt"], facts["url"]) == ("w 1", "report", 2, "x")
    assert caplog.messages == ["fetched 3"]


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        CONTEXT.attempt = 3  # type: ignore[misc]
