"""How names, paths and values are shown in the text of an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

COMPARED_NAMES = 5_000
LONGEST_NAME = 200
LONGEST_VALUE = 80


def shortened(name: str) -> str:
    """Return a name or path so that the sentence around it can still be read: a step may be 100 groups deep."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]} ... {name[-LONGEST_NAME // 2 :]}"


def quoted(name: str) -> str:
    """Return a name in quotes, shortened."""
    return repr(shortened(name))


def shown(value: object) -> str:
    """Return a value as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name most like `name`, to be added to an error message; empty if none is like it."""
    # Most programs never misspell a name, and the import takes as long as that of this package's
    # errors.
    from difflib import get_close_matches

    # A misspelled name in a graph of a hundred thousand steps has to be answered at once.
    similar_in_length = [other for other in known if abs(len(other) - len(name)) <= 2]
    matches = get_close_matches(name, similar_in_length[:COMPARED_NAMES], n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def why_not_retried(states: Mapping[str, str], most_shown: int) -> str:
    """Return why these steps, which are in these states, cannot run again, and what to do instead."""
    steps = ", ".join(f"{quoted(step)} is {state}" for step, state in list(states.items())[:most_shown])
    steps += f" and {more:,} more" if (more := len(states) - most_shown) > 0 else ""
    if not {"completed", "cancelled", "discarded", "skipped"}.issuperset(states.values()):
        return f"only steps that are final can run again: {steps}; wait for them, or cancel them first"
    if undos := [step for step in states if step.endswith("[undo]")]:
        return (
            f"what was undone cannot run again as it is: {steps}; retry({undos[0]!r}) repeats an undo that failed, and "
            f"retry(forward=True) leaves undone what was undone"
        )
    return f"steps of earlier rounds cannot run again: {steps}; name a step of the last round, or none"
