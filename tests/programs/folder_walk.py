"""Workers in threads, in processes and in the event loop that walk a folder by returning graphs."""

from __future__ import annotations

import os

from baton import Baton, result_of, worker


def walked(folder: str, walk) -> int | Baton:
    entries = list(os.scandir(folder))
    here = sum(entry.stat().st_size for entry in entries if entry.is_file())
    flow = Baton.new()
    for number, entry in enumerate(entry for entry in entries if entry.is_dir()):
        flow.add(f"folder {number}", walk.new(entry.path))
    below = flow.step_names()
    return flow.add("sum", add_up.new(here, [result_of(name) for name in below])) if below else here


@worker(name="folder walk in a thread")
def count_in_thread(folder: str) -> int | Baton:
    return walked(folder, count_in_thread)


@worker(name="folder walk in a process", executor="process")
def count_in_process(folder: str) -> int | Baton:
    return walked(folder, count_in_process)


@worker(name="folder walk: add up")
async def add_up(here: int, below: list[int]) -> int:
    return here + sum(below)
