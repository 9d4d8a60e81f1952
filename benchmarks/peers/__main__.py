"""One measurement of one library, in a process of its own; see `benchmarks.peers.protocol`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.metadata
import json
import logging
import sys
import tempfile
from contextlib import suppress

import uvloop

from benchmarks.peers.endpoint import serve
from benchmarks.peers.marks import Marks
from benchmarks.peers.measures import MEASURES
from benchmarks.peers.protocol import NotMeasured, Peer


async def work(peer: Peer) -> None:
    """Run jobs from the line "go" on until this process is killed or its standard input is closed."""
    loop = asyncio.get_running_loop()
    print("loaded", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    async with peer.working():
        print("works", flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)


def describe(peer: Peer) -> dict[str, str]:
    return {
        "version": importlib.metadata.version(peer.package),
        "configuration": peer.configuration,
        "keeps": peer.keeps,
    }


async def measure(name: str, peer: Peer, what: str, processes: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        marks = Marks.create(folder)
        try:
            return {"values": await MEASURES[what](name, peer, marks, processes)}
        except NotMeasured as error:
            return {"not_measured": str(error)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("what", choices=["describe", "install", "work", "serve", *MEASURES])
    parser.add_argument("--address", default="")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    peer: Peer = importlib.import_module(f"benchmarks.peers.{given.name}").Adapter(given.address)
    if given.what == "describe":
        print(json.dumps(describe(peer)))
    elif given.what == "install":
        uvloop.run(peer.install())
    elif given.what == "serve":
        with suppress(KeyboardInterrupt):
            uvloop.run(serve(peer))
    elif given.what == "work":
        with suppress(KeyboardInterrupt):
            uvloop.run(work(peer))
    else:
        print(json.dumps(uvloop.run(measure(given.name, peer, given.what, given.processes))), flush=True)


if __name__ == "__main__":
    main()
