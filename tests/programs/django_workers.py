"""Plain workers that use Django's connection, and a pool that runs them. Prints a line for each step that ended."""

from __future__ import annotations

import asyncio
import os
import sys
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings

ADDRESS = urlsplit(os.environ["BATON_DATABASE_URL"])
QUERY = parse_qs(ADDRESS.query)

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": ADDRESS.path.removeprefix("/"),
            "USER": ADDRESS.username,
            "HOST": QUERY["host"][0],
            "PORT": QUERY["port"][0],
            "CONN_MAX_AGE": int(os.environ.get("MAX_AGE", "0")),
            "OPTIONS": {"application_name": "django"},
        }
    }
)
django.setup()

from baton import Engine, WorkerPool, worker  # noqa: E402 - models would need the setup as well


def answer() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("select 42")
        return cursor.fetchone()[0]


@worker(name="django in thread", backoff=0)
def in_thread() -> int:
    return answer()


@worker(name="django in process", executor="process", backoff=0)
def in_process() -> int:
    return answer()


async def main() -> None:
    async with Engine() as engine, WorkerPool(engine, threads=1, processes=1):
        sys.stdout.write("running\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main())
