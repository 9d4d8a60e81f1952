"""The benchmarks, each printing a table: `python -m benchmarks --only chain,fan-out`; see `make bench`."""

from __future__ import annotations

import argparse
import asyncio
import importlib

from benchmarks import environment, report
from benchmarks.comparison import compare
from benchmarks.plan import MEASURES
from benchmarks.server import machine, started

ALONE = {
    "growth": "growth",
    "many-pools": "many_pools",
    "slow-network": "slow_network",
    "waiting": "waiting",
    "keys": "keys",
    "web": "web",
    "limits": "limits",
}
"""Those that measure Baton alone, each a program of its own, and the modules they are in."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", default="", help=f"some of {', '.join([*MEASURES, *ALONE])}")
    parser.add_argument("--peers", default="", help="only these libraries, and Baton")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    wanted = [name.strip() for name in given.only.split(",") if name.strip()]
    if unknown := set(wanted) - {*MEASURES, *ALONE}:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join([*MEASURES, *ALONE])}")
    for name in wanted:
        if name in ALONE:
            importlib.import_module(f"benchmarks.{ALONE[name]}").main([])
    measures = [name for name in wanted if name in MEASURES] or ([] if wanted else MEASURES)
    if measures:
        _compare(measures, set(filter(None, given.peers.split(","))) or None, given.rounds)


def _compare(measures: list[str], peers: set[str] | None, rounds: int) -> None:
    libraries = environment.libraries(peers)
    for library in libraries:
        print(f"{library.name}: " + (f"not measured: {library.fault}" if library.fault else f"{library.version}"))
    with started() as server:
        figures = asyncio.run(compare(server, libraries, measures, rounds))
        where = machine(server, environment.python_version())
    text = _text(where, rounds, report.targets(figures, libraries), report.everybody(figures, libraries))
    text += f"\n\n{report.configurations(libraries)}\n\nA dash is a thing that a library does not have, or:\n\n"
    text += report.not_measured(figures)
    print(f"\n{text}")
    if measures == MEASURES and peers is None:
        report.write_section("comparison", text)


def _text(where: str, rounds: int, targets: str, everybody: str) -> str:
    return (
        f"{where[0].upper()}{where[1:]}. Medians of {rounds} interleaved rounds, with the range.\n\n"
        f"{targets}\n\n"
        "Everything as measured:\n\n"
        f"{everybody}"
    )


if __name__ == "__main__":
    main()
