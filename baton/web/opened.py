"""Which groups of a run are open in its picture and its table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from baton.client.drawn_run import LARGEST_OPEN_MAP
from baton.database.run_outline import GroupFacts, Groups
from baton.web.rendering import url

MOST_OPENED = 300
"""Groups are open by themselves as long as they show no more steps than this together."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The groups that are open, and how to open and close one."""

    ordinals: Collection[int]
    asked_open: list[str] = field(default_factory=list)
    asked_shut: list[str] = field(default_factory=list)

    def with_open(self, run: str, group: str) -> str:
        """Return the address of the run's page with this group open."""
        return url("run", id=run, open=[*self.asked_open, group], shut=_without(self.asked_shut, group))

    def with_shut(self, run: str, group: str) -> str:
        """Return the address of the run's page with this group closed."""
        return url("run", id=run, open=_without(self.asked_open, group), shut=[*self.asked_shut, group])


def opened_groups(groups: Groups, asked_open: list[str], asked_shut: list[str]) -> Opened:
    """Decide which groups are open: as asked; else sub-workflows, and maps of a few children, while there is room.

    A group that lies in a closed one is not open.
    """
    opened: set[int] = set()
    shown = 0
    for group in groups.by_ordinal.values():
        if group.parent is not None and group.parent not in opened:
            continue
        is_asked = group.name in asked_open
        if is_asked or (group.name not in asked_shut and _opens_itself(group, shown)):
            opened.add(group.ordinal)
            shown += group.children
    return Opened(opened, asked_open, asked_shut)


def _opens_itself(group: GroupFacts, shown: int) -> bool:
    is_small = group.grouping != "map" or group.children <= LARGEST_OPEN_MAP
    return is_small and shown + group.children <= MOST_OPENED


def _without(names: list[str], name: str) -> list[str]:
    return [one for one in names if one != name]
