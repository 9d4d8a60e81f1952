"""The dashboard: see every run, know why it is as it is, and put it right, in a browser. Needs the extra `web`.

app.mount("/baton", dashboard(engine, user=who))
"""

from __future__ import annotations

try:
    import jinja2 as _jinja2
    import starlette as _starlette
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the dashboard needs {error.name}, which is not installed: pip install 'baton-workflows[web]'", name=error.name
    ) from error

from baton.web.application import Dashboard, dashboard
from baton.web.users import EVERYTHING, Identify, Permission, User

__all__ = ["EVERYTHING", "Dashboard", "Identify", "Permission", "User", "dashboard"]

del _jinja2, _starlette
