"""How the order service is tested: `pytest examples/orders`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from baton import Snooze
from examples.orders.after_sales import after_sales, read_review, refund
from examples.orders.shop import Order, RefusedOrderError, run_of
from examples.orders.workers import charge, pack

pytestmark = pytest.mark.asyncio


async def test_placing_an_order_inserts_its_workflow(shop, inserted):
    number = await shop.place(Order("kettle", quantity=2))

    (job,) = await inserted(charge, order=number)
    assert job.run.id == f"order-{number}"


async def test_a_refused_order_leaves_no_workflow(shop, inserted):
    with pytest.raises(RefusedOrderError):
        await shop.place(Order("unicorn"))

    assert await inserted(charge) == []


async def test_an_order_is_charged_packed_and_shipped(shop, drain, stub):
    stub(pack, lambda order: f"parcel {order}")
    number = await shop.place(Order("kettle"))

    await drain()

    assert (await shop.read(number))["state"] == "completed"


async def test_a_payment_is_tried_again_with_growing_pauses(shop, drain, stub):
    answers = [ConnectionError("the bank is down"), ConnectionError("the bank is down"), "receipt 7"]

    def bank():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    stub(pack, lambda: "parcel")
    stub(charge, bank)
    run = run_of(await shop.place(Order("kettle")))

    await drain()
    assert (await run.status()).state == "executing"

    await drain(advance=timedelta(minutes=1))
    assert await run.result("charge", timeout=5) == "receipt 7"


async def test_an_order_that_is_never_paid_is_not_shipped(shop, drain, stub):
    def bank():
        raise ConnectionError("the bank is down")

    stub(pack, lambda: "parcel")
    stub(charge, bank)
    run = run_of(await shop.place(Order("kettle")))

    await drain(advance=timedelta(days=1))

    states = {step.name: step.state for step in await run.steps()}
    assert states == {"check": "completed", "charge": "discarded", "pack": "completed", "ship": "cancelled"}


async def test_a_crash_after_the_payment_does_not_pay_twice(shop, drain, stub, crash_after, database):
    """The process is lost when the bank has been paid, and before that is known."""
    stub(pack, lambda: "parcel")
    crash_after("charge")
    number = await shop.place(Order("kettle"))

    await drain(advance=timedelta(minutes=1))

    assert await database.fetchval("select count(*) from payments where order_id = $1", number) == 1
    assert (await shop.read(number))["state"] == "completed"


async def test_charging_is_idempotent(shop, drain, stub, runs_twice, database):
    stub(pack, lambda: "parcel")
    runs_twice("charge")
    number = await shop.place(Order("kettle"))

    await drain()

    assert await database.fetchval("select count(*) from payments where order_id = $1", number) == 1


async def test_a_review_is_asked_for_after_two_days(engine, drain, stub):
    reviews = [Snooze(timedelta(days=1)), Snooze(timedelta(days=1)), 5]
    stub(read_review, lambda: reviews.pop(0))
    run = await after_sales(order=7).insert()

    assert (await drain(advance=timedelta(days=1))).steps == []
    assert (await drain(advance=timedelta(days=30))).steps == ["ask", "review", "review", "review", "thank"]
    assert await run.result("thank", timeout=5) == "voucher for the 5 stars of order 7"


async def test_a_refund_is_paid_when_it_is_approved(engine, drain):
    run = await refund(order=7, amount=20).insert()
    assert (await drain(advance=timedelta(days=6))).steps == []

    await run.signal("approval", "yes")
    await drain()

    assert await run.result("pay", timeout=5) == "20 paid back for order 7"


async def test_a_refund_that_nobody_approves_is_not_paid(engine, drain):
    run = await refund(order=7, amount=20).insert()

    assert (await drain(advance=timedelta(days=7))).steps == []
    assert {step.name: step.state for step in await run.steps()} == {"approval": "completed", "pay": "skipped"}


async def test_charging_alone(shop, context_for, database):
    """A worker is a plain function: most of its tests need no workflow."""
    number = await shop.place(Order("kettle"))

    assert await charge(context_for(charge, workflow_id="w"), order=number) == "receipt w/charge"
