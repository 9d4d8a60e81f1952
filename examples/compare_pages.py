"""Fetch two pages, count their words in worker processes, and compare them.

    python examples/compare_pages.py

The pages come from a small HTTP server that this file starts; the database is that of BATON_DATABASE_URL or
DATABASE_URL, else the embedded PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.request import urlopen

from baton import Baton, Context, Engine, WorkerPool, result_of, worker

PAGES = {
    "/a": "the step waits for the outcome and the outcome is committed",
    "/b": "the step starts when the outcome is there",
}


@worker(queue="web", max_attempts=5, timeout=30)
async def fetch(url: str) -> str:
    return await asyncio.to_thread(lambda: urlopen(url, timeout=20).read().decode())


@worker(executor="process")  # sync and CPU-bound: runs in another process
def count_words(text: str) -> dict[str, int]:
    return Counter(text.split())


@worker
async def report(ctx: Context, left: dict[str, int], right: dict[str, int]) -> str:
    ctx.log.info("comparing, attempt %d", ctx.attempt)
    shared = sorted(left.keys() & right.keys(), key=lambda word: (-left[word] - right[word], word))
    return f"{sum(left.values())} words and {sum(right.values())} words share {', '.join(shared)}"


@worker
async def tidy_up() -> None:
    print("tidied up")


async def main(site: str) -> None:
    async with Engine() as engine, WorkerPool(engine, queues={"default": 20, "web": 50}):
        run = await (
            Baton.new(workflow_name="compare")
            .add("a", fetch.new(url=f"{site}/a"))
            .add("b", fetch.new(url=f"{site}/b"))
            .add("words a", count_words.new(text=result_of("a")))
            .add("words b", count_words.new(text=result_of("b")))
            .add("report", report.new(left=result_of("words a"), right=result_of("words b")))
            .add("tidy", tidy_up.new(), deps=["report"], ignore_discarded=True)
            .insert()
        )
        print(await run.result("report", timeout=60))
        await run.wait(timeout=60)
        for step in await run.steps():
            print(f"{step.name:8} {step.state} in attempt {step.attempt}")


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        page = PAGES.get(self.path, "").encode()
        self.send_response(200 if page else 404)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# The worker processes import this file as well.
if __name__ == "__main__":
    with served() as site:
        asyncio.run(main(site))
