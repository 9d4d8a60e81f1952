"""When a dead worker process is started again, and what its end means."""

from __future__ import annotations

import pytest

from baton.cli.restarts import HEALTHY_SECONDS, Restarts, described, exit_code, is_hopeless


def ended(*lives):
    restarts = Restarts()
    for lived in lives:
        restarts = restarts.after(lived)
    return restarts


@pytest.mark.parametrize(("times", "longest"), [(1, 0.5), (2, 1), (3, 2), (7, 30), (10_000, 30)])
def test_the_pause_doubles_up_to_half_a_minute_and_has_jitter(times, longest):
    pauses = {Restarts(in_a_row=times).pause_seconds() for _ in range(100)}

    assert len(pauses) > 50
    assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_a_healthy_while_resets_the_pause_but_not_the_count():
    assert ended(1, 1, 1) == Restarts(ended=3, in_a_row=3)
    assert ended(1, 1, HEALTHY_SECONDS) == Restarts(ended=3, in_a_row=1)


@pytest.mark.parametrize(
    ("code", "was_any_ready", "hopeless"),
    [(1, False, True), (2, False, True), (1, True, False), (70, False, False), (-9, False, False), (0, False, False)],
)
def test_no_restart_if_no_process_ever_worked_and_one_says_why(code, was_any_ready, hopeless):
    assert is_hopeless(code, was_any_ready=was_any_ready) is hopeless


@pytest.mark.parametrize(
    ("codes", "code"), [([], 0), ([0, 0], 0), ([0, 75, 1], 75), ([-9, 0], 137), ([-15], 143), ([0, 70], 70)]
)
def test_the_exit_code_is_that_of_the_first_that_did_not_drain(codes, code):
    assert exit_code(codes) == code


def test_an_end_is_described():
    assert described(-9) == "was killed by SIGKILL"
    assert described(70) == "ended with exit code 70"
