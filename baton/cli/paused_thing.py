"""What `baton pause` and `baton resume` are given: a queue, a worker or a run."""

from __future__ import annotations

import argparse


def add_subject(parser: argparse.ArgumentParser) -> None:
    """Add QUEUE, --worker and --run, of which one is needed, and --lane."""
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("queue", nargs="?", metavar="QUEUE", help="the name of the queue")
    subject.add_argument("--worker", metavar="NAME", help="in place of a queue: a worker, in every queue")
    subject.add_argument("--run", dest="run_id", metavar="ID", help="in place of a queue: one workflow")
    parser.add_argument("--lane", metavar="LANE", help="only this lane of the queue")
