"""Engine and worker pool in the lifespan of a FastAPI application.

    pip install fastapi uvicorn
    uvicorn --app-dir examples fastapi_app:app
    curl -X POST 'http://127.0.0.1:8000/reports?title=hello'

The database is that of BATON_DATABASE_URL or DATABASE_URL, else the embedded PostgreSQL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

from baton import Baton, Engine, Run, StepFailed, WorkerPool, WorkflowNotFound, result_of, worker


@worker
async def collect(title: str) -> list[str]:
    return title.split()


@worker
async def publish(words: list[str]) -> str:
    return " ".join(word.capitalize() for word in words)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    # Leaving the pool drains it: what runs may end, the rest is given back to other processes.
    async with Engine(), WorkerPool(grace=10):
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/reports", status_code=202)
async def order_report(title: str) -> dict[str, str]:
    run = await (
        Baton.new(workflow_name="report")
        .add("collect", collect.new(title=title))
        .add("publish", publish.new(words=result_of("collect")))
        .insert()  # into the default engine: the one the lifespan entered
    )
    return {"id": run.id}


@app.get("/reports/{workflow_id}")
async def read_report(workflow_id: str) -> dict[str, Any]:
    """The report, waited for up to five seconds."""
    try:
        return {"report": await Run(workflow_id).result("publish", timeout=5)}
    except TimeoutError:
        raise HTTPException(503, "not ready yet", headers={"Retry-After": "1"}) from None
    except WorkflowNotFound as error:
        raise HTTPException(404, str(error)) from None
    except StepFailed as error:
        raise HTTPException(500, str(error)) from None
