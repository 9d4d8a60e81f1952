"""The mutants: each takes one rule out of the engine, by replacing text in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Change:
    """Replaces a text by another wherever it is in a file."""

    file: str
    text: str
    replacement: str

    def apply(self, root: Path) -> None:
        """Raises `LookupError` if the text is not in the file any more."""
        path = root / self.file
        before = path.read_text()
        if self.text not in before:
            raise LookupError(f"{self.file} has no text {self.text!r} any more: bring the mutant up to date")
        path.write_text(before.replace(self.text, self.replacement))


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of the engine that the campaign must notice, or these tests where the campaign does not reach."""

    name: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...] = ()


_APPLY = "sql/functions/apply_outcomes.sql"
_UNFAVOURABLE = "sql/functions/apply_other_outcomes.sql"
_TAKE = "sql/functions/claim_entries.sql"
_TRANSACTIONS = "baton/runtime/transactions.py"
_TRANSACTIONAL = ("tests/runtime/test_transactional.py", "tests/faults/test_transfers.py")

MUTANTS = (
    Mutant(
        "the token predicate is dropped",
        (
            Change(_APPLY, "and q.token = o.token", "and o.token is not null"),
            Change(_UNFAVOURABLE, "and q.token = o.token", "and q.token is not null"),
        ),
    ),
    Mutant(
        "an outcome is accepted for another's token of its batch",
        (
            Change(_APPLY, "and q.token = o.token", "and q.token = any(p_tokens)"),
            Change(_UNFAVOURABLE, "and q.token = o.token", "and q.token = any(p_tokens)"),
        ),
    ),
    Mutant(
        "settle does not lock the workflow",
        (Change(_APPLY, "order by w.key\n        for no key update;", "limit 0;"),),
    ),
    Mutant(
        "workflows are locked in no order",
        (Change(_APPLY, "order by w.key\n", "order by random()\n"),),
    ),
    Mutant(
        "only one of several dependencies that settle at once is counted",
        (Change("sql/functions/apply_consequences.sql", "count(*)::integer as done", "1 as done"),),
    ),
    Mutant(
        "the attempt is counted when it is settled",
        (
            Change(_TAKE, "attempt = q.attempt + (not q.is_join)::integer", "attempt = q.attempt"),
            Change("sql/functions/claimed_steps.sql", "k.attempt, s.max_attempts", "k.attempt + 1, s.max_attempts"),
            Change(_APPLY, "attempt = e.attempt,", "attempt = e.attempt + 1,"),
            Change(
                _UNFAVOURABLE,
                "join queue q on q.step_id = any(array[o.id]) and q.token = o.token",
                "join lateral (select e.step_id, e.token, e.attempted_at, e.pool, e.is_join, "
                "e.attempt + (o.kind <> 'lost')::integer as attempt from queue e "
                "where e.step_id = o.id and e.token = o.token) q on true",
            ),
        ),
    ),
    Mutant(
        "the pool does not claim after it has reconnected",
        (
            Change(
                "baton/runtime/running_pool.py",
                "            case Reconnected():\n                self._look_everywhere()\n",
                "            case Reconnected():\n",
            ),
        ),
    ),
    Mutant(
        "a batch with a bad outcome is not halved",
        (
            Change(
                "baton/runtime/settler.py",
                "self._isolated.extend((settling[:half], settling[half:]))",
                "self._isolated.append(settling)",
            ),
        ),
    ),
    Mutant(
        "the sweep does not rescue from unknown pools",
        (
            Change(
                "sql/functions/orphaned_entries.sql",
                "and not exists (select from pools p where p.id = q.pool and p.dead_at is null)",
                "and exists (select from pools p where p.id = q.pool and p.dead_at is not null)",
            ),
        ),
    ),
    Mutant(
        "a heartbeat revives a dead pool",
        (
            Change("sql/functions/heartbeat.sql", "set beats = p_number,", "set beats = p_number, dead_at = null,"),
            Change(
                "sql/functions/heartbeat.sql", "       and p.dead_at is null\n       and p.beats", "       and p.beats"
            ),
        ),
    ),
    Mutant(
        "a replayed claim does not return what its token took",
        (Change(_TAKE, "where q.pool = p_pool and q.token = p_token and q.state = 'executing'", "where false"),),
    ),
    Mutant(
        "a dead pool can claim steps",
        (Change(_TAKE, " or not is_alive", ""),),
    ),
    Mutant(
        "the cascade ignores the flags",
        (
            Change(
                "sql/functions/end_dependents.sql",
                "and not edge_ignores(c, ordinal_of(p_root), root.state)",
                "",
            ),
        ),
    ),
    Mutant(
        "a step that is given back spends its attempt",
        (Change(_UNFAVOURABLE, "else q.attempt - 1", "else q.attempt - (o.kind <> 'given_back')::integer"),),
    ),
    Mutant(
        "a replayed settle is refused",
        (Change(_APPLY, "select coalesce(s.token = o.token and s.outcome = o.kind, false)", "select s.id is null"),),
    ),
    Mutant(
        "the sweep gives back what its pool still holds",
        (Change("sql/functions/orphaned_entries.sql", "and q.token <> all(p.tokens)", ""),),
    ),
    Mutant(
        "a pool forgets its outcomes when a call fails",
        (
            Change(
                "baton/runtime/dispatcher.py",
                "                    await asyncio.sleep(pause_before(attempt))\n                    attempt += 1\n",
                "                    request = Request(request.pool, (), request.claiming)\n",
            ),
        ),
        ("tests/runtime/test_pool_outages.py",),
    ),
    Mutant(
        "a transactional settle is sent again when its commit is unknown",
        (
            Change(
                _TRANSACTIONS,
                'return lost(f"it is unknown whether its transaction was committed: {error_summary(error)}")',
                "return outcome",
            ),
        ),
        _TRANSACTIONAL,
    ),
    Mutant(
        "a transactional settle goes over another connection",
        (
            Change(
                _TRANSACTIONS,
                "Store(begun.connection, self._schema)",
                "Store(self._worker_connections._pool, self._schema)",
            ),
        ),
        _TRANSACTIONAL,
    ),
    Mutant(
        "what a refused transaction wrote is committed",
        (Change(_TRANSACTIONS, "if not is_accepted:", "if not is_accepted and attempt is None:"),),
        _TRANSACTIONAL,
    ),
    Mutant(
        "what a failed attempt wrote is committed",
        (Change(_TRANSACTIONS, 'frozenset({"completed",', 'frozenset({"completed", "failed",'),),
        _TRANSACTIONAL,
    ),
    Mutant(
        "a transaction that has settled may wait without limit",
        (Change(_TRANSACTIONS, "set local statement_timeout = 0; {limits}", "set local statement_timeout = 0"),),
        _TRANSACTIONAL,
    ),
    Mutant(
        "a transactional attempt is settled after its transaction",
        (
            Change(
                _TRANSACTIONS,
                "            is_accepted = await self._settle_until_unlocked(begun, attempt, outcome)\n",
                "            is_accepted = await begun.transaction.commit() is None\n            return outcome\n",
            ),
        ),
        _TRANSACTIONAL,
    ),
)
