"""How many faults of each kind a campaign makes, and how many it must have made at least."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LEASE_SECONDS = 2.0
SWEEP_SECONDS = LEASE_SECONDS / 3

# The least that three minutes must show, and so must any longer campaign.
_LEAST_IN_THREE_MINUTES: Mapping[str, int] = {
    "workflows verified": 2_000,
    "steps verified": 20_000,
    "SIGKILLs": 100,
    "backends killed": 1_000,
    "immediate restarts of the server": 2,
    "cuts during COMMIT": 100,
    "SIGSTOPs past the lease": 50,
}

# What must have happened in every campaign, however short: it proves nothing about a fault that did
# not happen.
_NEVER_ZERO = (
    *_LEAST_IN_THREE_MINUTES,
    "SIGTERMs",
    "stale settles refused",
    "unknown outcomes",
    "unknown outcomes that had committed",
    "steps rescued from dead pools",
    "processes killed by a step",
    "attempts lost",
    "attempts timed out",
    "outcomes that could not be stored",
    "steps discarded",
    "steps skipped",
    "steps cancelled",
    "steps cancelled on request",
    "snoozes, rounds and steps given back",
    "zombie drills",
    "replay drills",
    "forgotten pool drills",
    "giving back drills",
    "overlapping settle drills",
    "lock order drills",
    "missed notification drills",
    "groups verified",
    "expansion drills",
    "round drills",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """How long a campaign lasts, and the mean number of seconds between two faults of a kind."""

    seconds: float
    """Of faults; then all workflows have to end."""
    processes: int = 6
    unfinished: int = 250
    """The number of workflows that run at the same time."""
    kill: float = 1.5
    terminate: float = 7.0
    stop: float = 0.2
    """Between the end of one and the next; two processes at a time."""
    backends: float = 0.55
    backends_at_once: int = 5
    cut: float = 0.9
    freeze: float = 20.0
    restart: float = 45.0

    def least(self) -> Mapping[str, int]:
        """The least counts that this campaign must reach, by the names of the tally."""
        if self.seconds >= 180:
            return dict.fromkeys(_NEVER_ZERO, 1) | dict(_LEAST_IN_THREE_MINUTES)
        return dict.fromkeys(_NEVER_ZERO, 1)


def profile_of(seconds: float) -> Profile:
    """Return the profile of a campaign of this length; a short one makes rare faults more often."""
    if seconds >= 120:
        return Profile(seconds)
    return Profile(seconds, unfinished=120, terminate=4.0, freeze=8.0, restart=0.8 * seconds)
