"""An order service: an order and the workflow that fulfils it are written in one transaction.

    shop.py          the application's own tables, and how an order is placed
    workers.py       what has to be done for an order, run by worker processes
    fastapi_app.py   the service in FastAPI
    aiohttp_app.py   the same in aiohttp

In one terminal the service, in another one worker process or several:

    uvicorn examples.orders.fastapi_app:app            (or: python -m examples.orders.aiohttp_app)
    baton worker examples.orders.workers --lease 5

And then:

    curl -X POST -H 'content-type: application/json' -d '{"article": "kettle", "quantity": 2}' localhost:8000/orders
    curl localhost:8000/orders/1
    curl -N localhost:8000/orders/1/events
    curl -X POST localhost:8000/orders/1/cancel

Kill the worker process while it packs, and start another one: the order is shipped, and paid for once. The database is
that of BATON_DATABASE_URL or DATABASE_URL; the tables are made on the first start.
"""
