"""What a caller that waits for the end of a workflow or step makes of notifications."""

from __future__ import annotations

import asyncio

from baton.database.notifications import Notification, Reconnected, StepEnded, WorkflowFinished


class EndWaiter:
    """Notes that the end of a workflow or step was announced. While its number is unknown, any end counts."""

    def __init__(self, step: str | None) -> None:
        self.announced = asyncio.Event()
        self.subject: int | None = None
        self._is_step = step is not None

    def on_notification(self, notification: Notification) -> None:
        match notification:
            case Reconnected():
                self.announced.set()
            case WorkflowFinished(key) if not self._is_step and self.subject in (None, key):
                self.announced.set()
            case StepEnded(step_id) if self._is_step and self.subject in (None, step_id):
                self.announced.set()
            case _:
                pass
