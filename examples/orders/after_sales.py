"""What follows a delivery: a review that is asked for two days later, and a refund that somebody has to approve."""

from __future__ import annotations

from datetime import timedelta

from baton import Baton, Signal, Snooze, result_of, worker

reviews: dict[int, int] = {}
"""The stars of each order. A real shop would have a table of them."""


def after_sales(order: int) -> Baton:
    return (
        Baton.new(workflow_id=f"after-sales-{order}", workflow_name="after sales")
        .add("ask", ask_for_review.new(order=order).with_options(schedule_in=timedelta(days=2)))
        .add("review", read_review.new(order=order), deps=["ask"])
        .add("thank", send_voucher.new(order=order, stars=result_of("review")))
    )


def refund(order: int, amount: int) -> Baton:
    return (
        Baton.new(workflow_id=f"refund-{order}", workflow_name="refund")
        .add("approval", Signal(str, timeout=timedelta(days=7), default="no"))
        .add("pay", pay_back.new(order=order, amount=amount), when=result_of("approval") == "yes")
    )


@worker
async def ask_for_review(order: int) -> str:
    return f"asked for a review of order {order}"


@worker
async def read_review(order: int) -> int | Snooze:
    """Look once a day."""
    return reviews.get(order, Snooze(timedelta(days=1)))


@worker
async def send_voucher(order: int, stars: int) -> str:
    return f"voucher for the {stars} stars of order {order}"


@worker
async def pay_back(order: int, amount: int) -> str:
    return f"{amount} paid back for order {order}"
