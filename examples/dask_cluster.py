"""Heavy steps leave for a cluster of Dask's, light ones stay: how far do the packages of Python's library compress?

    python examples/dask_cluster.py                     # with a scheduler and two worker processes of its own
    python -m dask_cluster tcp://SCHEDULER:8786         # with yours, whose workers can import this file

The database is that of BATON_DATABASE_URL or DATABASE_URL, else the embedded PostgreSQL.
"""

from __future__ import annotations

import asyncio
import lzma
import os
import sys
import sysconfig
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

from distributed import Client, LocalCluster

from baton import Baton, Engine, WorkerPool, each, result_of, worker

LIBRARY = Path(sysconfig.get_path("stdlib"))


class Compressed(TypedDict):
    package: str
    before: int
    after: int
    process: int


@worker
def list_packages() -> list[str]:
    return sorted(path.parent.name for path in LIBRARY.glob("[a-e]*/__init__.py"))


@worker(executor="cluster")
def compress(package: str) -> Compressed:
    text = b"".join(path.read_bytes() for path in sorted((LIBRARY / package).rglob("*.py")))
    return {"package": package, "before": len(text), "after": len(lzma.compress(text)), "process": os.getpid()}


@worker
async def report(packages: list[Compressed]) -> str:
    best = min(packages, key=lambda one: one["after"] / max(1, one["before"]))
    return f"{best['package']}: {best['before']:,} bytes become {best['after']:,}"


async def main(client: Client) -> None:
    async with Engine() as engine, WorkerPool(engine, executors={"cluster": client.get_executor()}):
        run = await (
            Baton.new(workflow_name="compress")
            .add("packages", list_packages.new())
            .add("compressed", compress.new(package=each(result_of("packages"))))
            .add("report", report.new(result_of("compressed")))
            .insert()
        )
        print(await run.result("report", timeout=120))
        ran = Counter(one["process"] for one in await run.result("compressed"))
    addresses = client.run(os.getpid)
    names = {process: address for address, process in addresses.items()} | {os.getpid(): "this process"}
    for process, count in sorted(ran.items()):
        print(f"{count} of {ran.total()} packages were compressed by {names[process]}")


# The workers of the cluster import this file as well.
if __name__ == "__main__":
    with ExitStack() as stack:
        if len(sys.argv) > 1:
            address = sys.argv[1]
        else:
            address = stack.enter_context(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
        asyncio.run(main(stack.enter_context(Client(address))))
