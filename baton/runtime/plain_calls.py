"""How a plain function is called: with what a framework of the application needs around it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baton.core.context import Context
    from baton.core.worker import AnyWorker

_INTEGRATIONS = {"django.db": "baton.contrib.django"}
"""By the module of a framework, the module whose `around_call` is entered for each call once the framework is loaded.

By name, because an integration may import all of this package, and a framework that is not there costs nothing.
"""


def call_plain(worker: AnyWorker, arguments: dict[str, Any], context: Context | None) -> object:
    """Call a worker's plain function in this thread, and return what it returns."""
    used = [integration for framework, integration in _INTEGRATIONS.items() if framework in sys.modules]
    if not used:
        return worker.call(arguments, context)
    with ExitStack() as stack:
        for integration in used:
            stack.enter_context(import_module(integration).around_call())
        return worker.call(arguments, context)
