"""What waits for one another in a circle, so that none of it ever ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


def circles(waits: Iterable[tuple[str, str]]) -> Iterator[Sequence[str]]:
    """Yield the members of each circle that is found, each member in one circle.

    `waits` are pairs: the first one waits for the second one. The time is linear in them.
    """
    following: dict[str, list[str]] = {}
    for one, other in waits:
        following.setdefault(one, []).append(other)
    done: set[str] = set()
    for start in following:
        yield from _from(start, following, done)


def _from(start: str, following: Mapping[str, Sequence[str]], done: set[str]) -> Iterator[Sequence[str]]:
    """Follow every way from `start` to its end; a way that comes back to itself is a circle."""
    if start in done:
        return
    done.add(start)
    way, ahead = [start], [iter(following.get(start, ()))]
    places = {start: 0}
    while way:
        other = next(ahead[-1], None)
        if other is None:
            places.pop(way.pop())
            ahead.pop()
        elif other in places:
            yield tuple(way[places[other] :])
        elif other not in done:
            done.add(other)
            places[other] = len(way)
            way.append(other)
            ahead.append(iter(following.get(other, ())))
