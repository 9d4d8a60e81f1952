"""What the worker processes wrote to the effects log, sorted by workflow and by step while the log grows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign.tally import Tally

MOST_CLAIMS = 50_000
"""The most claims that are remembered: a claim is sent again soon or never."""
FINAL_KINDS = frozenset({"completed", "cancelled", "skipped", "discarded"})


@dataclass(frozen=True, slots=True)
class Start:
    attempt: int
    token: str
    at: float
    line: int


@dataclass(frozen=True, slots=True)
class End:
    kind: str
    line: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """An outcome whose call failed without an answer."""

    token: str
    kind: str
    at: float


@dataclass(slots=True)
class StepFacts:
    """What was written about one step; tokens as hexadecimal digits."""

    starts: list[Start] = field(default_factory=list)
    ends: dict[str, End] = field(default_factory=dict)
    accepted: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The kinds answered as accepted, by token."""
    refused: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: list[Unknown] = field(default_factory=list)

    def lines(self) -> list[str]:
        """All facts, for a report."""
        lines = [f"{one.line} start of attempt {one.attempt} under {one.token} at {one.at:.3f}" for one in self.starts]
        lines += [f"{end.line} end under {token}: {end.kind}" for token, end in self.ends.items()]
        lines += [f"accepted under {token}: {sorted(kinds)}" for token, kinds in self.accepted.items()]
        lines += [f"refused under {token}: {sorted(kinds)}" for token, kinds in self.refused.items()]
        return lines + [f"no answer under {one.token} at {one.at:.3f}: {one.kind}" for one in self.unknown]


class Ledger:
    """Reads the log as it grows, and keeps the facts of each workflow until `forget`."""

    def __init__(self, path: Path, tally: Tally) -> None:
        self.steps: dict[int, StepFacts] = defaultdict(StepFacts)
        self.events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        """What the workers themselves wrote, by workflow."""
        self.hanging: list[str] = []
        """Workflows with a step that has begun to hang; the task that cancels them takes them out."""
        self.claims: dict[str, tuple[set[int], int]] = {}
        """The steps claimed under each token, and its limit."""
        self.faults: list[str] = []
        self._final: dict[int, str] = {}
        self._path = path
        self._tally = tally
        self._read = 0
        self._line = 0

    def follow(self) -> None:
        """Read what was written since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):  # it is being written
                    break
                self._read += len(line)
                self._line += 1
                self._note(json.loads(line))

    def forget(self, workflow: str, final_tokens: Mapping[int, str | None]) -> None:
        """Drop the facts of a verified workflow; keep the tokens under which its steps became final."""
        self.events.pop(workflow, None)
        for step, token in final_tokens.items():
            self.steps.pop(step, None)
            self._final[step] = token or ""

    def _note(self, event: Mapping[str, Any]) -> None:
        match event["event"]:
            case "run":
                start = Start(event["attempt"], event["token"], event["at"], self._line)
                if event["id"] in self._final:
                    self._too_late(event["id"], f"it started again under {event['token']}")
                else:
                    self.steps[event["id"]].starts.append(start)
            case "ran":
                if event["id"] not in self._final:
                    self.steps[event["id"]].ends[event["token"]] = End(event["kind"], self._line)
            case "answered":
                self._answered(event["outcomes"])
            case "unknown":
                self._unknown(event)
            case "claimed":
                self._claimed(event["token"], event["ids"], event["limit"])
            case "upkeep":
                self._tally.add("steps rescued from dead pools", event["lost"])
                self._tally.add("steps given back by the sweep", event["given_back"])
                self._tally.add("pools marked dead", event["died"])
            case "hang":
                self.hanging.append(event["workflow"])
                self.events[event["workflow"]].append(event)
            case _:
                self.events[event["workflow"]].append(event)

    def _answered(self, outcomes: Iterable[list[Any]]) -> None:
        for step, token, kind, is_accepted in outcomes:
            self._tally.add("outcomes answered")
            if not is_accepted:
                self._tally.add("stale settles refused")
            if step in self._final:
                if is_accepted and kind in FINAL_KINDS and self._final[step] != token:
                    self._too_late(step, f"{kind} under {token} was accepted again")
                continue
            facts = self.steps[step]
            (facts.accepted if is_accepted else facts.refused)[token].add(kind)

    def _unknown(self, event: Mapping[str, Any]) -> None:
        self._tally.add("calls without an answer")
        for step, token, kind in event["outcomes"]:
            self._tally.add("unknown outcomes")
            if step not in self._final:
                self.steps[step].unknown.append(Unknown(token, kind, event["at"]))

    def _claimed(self, token: str, ids: Iterable[int], limit: int) -> None:
        taken, most = self.claims.setdefault(token, (set(), limit))
        taken.update(ids)
        if len(self.claims) > MOST_CLAIMS:
            del self.claims[next(iter(self.claims))]
        if len(taken) > most:
            self.faults.append(f"the token {token} took {len(taken)} steps, and its limit is {most}")

    def _too_late(self, step: int, what: str) -> None:
        self.faults.append(f"step id {step} was final under {self._final[step] or 'no token'}, and then {what}")
