"""Baton in a Django project. Nothing has to be installed: worker pools use this module once Django is set up.

Django gives each thread connections of its own, and renews them between two requests. A worker is no
request: without what is done here, a thread would keep a connection that was lost, and every later
step in it would fail.

For inserting, cancelling and reading from views, see docs/applications.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps  # type: ignore[import-untyped]  # Django ships no types
from django.db import close_old_connections  # type: ignore[import-untyped]


@contextmanager
def around_call() -> Iterator[None]:
    """Close the connections of this thread that were lost or are older than CONN_MAX_AGE, before and after.

    Worker pools do so around each plain worker, in threads and in other processes. An async worker
    that uses models does it by `await sync_to_async(close_old_connections)()`, as its queries run in
    a thread of Django's.
    """
    if not apps.ready:
        yield
        return
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
