"""Why a step is not running, or ended as it did: a class for each cause, which `run.explain()` returns.

    match (await run.explain("ship")).root.cause:
        case causes.QueuePaused(queue=queue): ...
        case causes.Retries(error=error): ...

Each is a frozen value; `str()` of it is the rest of a sentence that begins with the step's name. `WaitingCause`,
`RunningCause` and `EndedCause` are the closed unions of those of a step, `Cause` is all three, and `RunCause` those of
a workflow as a whole.
"""

from baton.core.causes import *  # noqa: F403
from baton.core.causes import __all__  # noqa: F401
