"""The fault campaign: random workflows under all faults at once, and the proof that nothing was lost or done twice.

`python -m campaign --minutes 3 --seed 7` starts a PostgreSQL server and worker processes of its own, and prints what it
did to them. docs/reliability.md says what is proved; `python -m campaign.mutants` shows that it notices faults.
"""
