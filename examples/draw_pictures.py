"""The pictures in docs/pictures: what workflows and runs look like.

    python examples/draw_pictures.py [folder, docs/pictures if left out]

The database is that of BATON_DATABASE_URL or DATABASE_URL, else the embedded PostgreSQL.
"""

from __future__ import annotations

import ast
import asyncio
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from baton import Baton, Engine, WorkerPool, each, result_of, state_of, worker

MODULES = 300
LEFT_OUT = ("test.", "encodings.", "idlelib.", "lib2to3.", "distutils.", "site-packages.", "dist-packages.")
"""Packages of which every module imports the same few."""


@worker(name="fetch")
async def fetch(page: int = 0) -> int:
    return page


@worker(name="measure", max_attempts=1)
async def measure(page: int) -> int:
    if page % 7 == 3:
        raise ValueError(f"page {page} is empty")
    return page


@worker(name="summarise")
async def summarise(pages: list[int]) -> int:
    return len(pages)


@worker(name="report")
async def report(left: int = 0, right: int = 0) -> int:
    return left + right


@worker(name="book")
async def book(what: str) -> str:
    return f"{what} 17"


@worker(name="charge", max_attempts=1)
async def charge(hotel: str, flight: str) -> None:
    raise ValueError(f"the card is refused for {hotel} and {flight}")


@worker(name="cancel booking")
async def cancel_booking(booking: str | None) -> None: ...


@worker(name="tell")
async def tell() -> None: ...


@worker(name="import")
async def import_module() -> None: ...


def diamond() -> Baton:
    flow = Baton.new(workflow_name="diamond").add("top", fetch.new())
    flow.add("left", fetch.new(result_of("top"))).add("right", fetch.new(result_of("top")))
    return flow.add("bottom", report.new(result_of("left"), result_of("right")))


def census() -> Baton:
    flow = Baton.new(workflow_name="census").add("packages", fetch.new())
    return flow.add("counts", fetch.new(each(list(range(200)))), deps=["packages"]).add(
        "join", summarise.new(result_of("counts"))
    )


def survey() -> Baton:
    """Groups, and failures in one of them."""
    site = Baton.new().add("pages", fetch.new(each(list(range(4))))).add("count", summarise.new(result_of("pages")))
    shop = Baton.new().add("pages", measure.new(each(list(range(40))))).add("count", summarise.new(result_of("pages")))
    flow = Baton.new(workflow_name="survey").add("start", fetch.new())
    flow.add("site", site, deps=["start"]).add("shop", shop, deps=["start"])
    flow.add("deep", fetch.new(), when=result_of("start") > 10)
    flow.add("report", report.new(result_of("site"), result_of("deep", default=0)))
    flow.add("compare", report.new(result_of("site"), result_of("shop")))
    flow.add("apologise", tell.new(), when=state_of("compare") != "completed")
    return flow.add("tidy up", tell.new(), runs="always")


def saga() -> Baton:
    flow = Baton.new(workflow_name="trip")
    for what in ("hotel", "flight"):
        flow.add(what, book.new(what), undo=cancel_booking.new(result_of(what, default=None)))
    flow.add("charge", charge.new(result_of("hotel"), result_of("flight")))
    return flow.add("tell the customer", tell.new(), runs="on failure")


def imports(library: Path) -> Baton:
    """Modules of the standard library and what they import: a graph that nobody designed."""
    modules = {path.stem: path for path in library.glob("[!_]*.py")}
    modules |= {f"{path.parent.name}.{path.stem}": path for path in library.glob("[!_]*/[!_]*.py")}
    names = [name for name in sorted(modules) if not name.startswith(LEFT_OUT)][:MODULES]
    edges = {name: _imported(modules[name], name.rpartition(".")[0]).intersection(names) - {name} for name in names}
    flow = Baton.new(workflow_name="imports in the standard library")
    for name in _without_cycles(edges):
        flow.add(name, import_module.new(), deps=sorted(edges[name]))
    return flow


def _imported(path: Path, package: str) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = ".".join(filter(None, [package if node.level else "", node.module]))
            found.update([origin, *[f"{origin}.{alias.name}" for alias in node.names]])
    return found


def _without_cycles(edges: dict[str, set[str]]) -> list[str]:
    """Remove an edge of each cycle, and return the names in a topological order."""
    while True:
        try:
            return list(TopologicalSorter(edges).static_order())
        except CycleError as error:
            first, second = error.args[1][:2]
            edges[second].discard(first)


async def pictures() -> dict[str, str]:
    """Return the pictures by name."""
    drawn = {"diamond": diamond().to_svg(), "imports": imports(Path(ast.__file__).parent).to_svg()}
    async with Engine() as engine, WorkerPool(engine):
        for name, flow in {"census": census(), "survey": survey(), "saga": saga()}.items():
            run = await flow.insert()
            await run.wait(timeout=60)
            drawn[name] = await run.to_svg()
    return drawn


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in asyncio.run(pictures()).items():
        (folder / f"{name}.svg").write_text(text)
