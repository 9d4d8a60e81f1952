"""Insert one workflow when a line arrives on standard input. The argument is the address of the database."""

from __future__ import annotations

import asyncio
import json
import sys

from baton import Baton, Engine, result_of, worker


@worker
async def number(value: int) -> int:
    return value


async def main() -> None:
    flow = Baton.new(workflow_id="the one").add("a", number.new(value=1))
    flow.add("b", number.new(value=result_of("a"))).add("c", number.new(value=result_of("b")))
    async with Engine(sys.argv[1]):
        print("ready", flush=True)  # noqa: T201  # read by the test
        sys.stdin.readline()
        print(json.dumps((await flow.insert()).id))  # noqa: T201


asyncio.run(main())
