"""What docs/dashboard.md shows runs as it stands."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap

import pytest

from tests.cli.command import ROOT, environment
from tests.web.served import asking

TEXT = (ROOT / "docs" / "dashboard.md").read_text()
BLOCKS = {
    match["title"]: match["source"]
    for match in re.finditer(
        r"^## (?P<title>[^\n]*)$(?:(?!^## ).)*?^```python\n(?P<source>.*?)^```", TEXT, re.MULTILINE | re.DOTALL
    )
}
ANN = {"x-forwarded-email": "ann@example.org"}


def defined(section: str) -> dict:
    names: dict = {}
    exec(BLOCKS[section], names)
    return names


def test_every_block_is_run_here():
    assert list(BLOCKS) == ["FastAPI", "Starlette", "Django"]


@pytest.mark.parametrize("framework", ["FastAPI", "Starlette"])
async def test_it_is_mounted_as_the_guide_says(database, monkeypatch, framework):
    monkeypatch.setenv("DATABASE_URL", database)
    app = defined(framework)["app"]
    async with app.router.lifespan_context(app), asking(app) as client:
        page = await client.get("/baton/runs", headers=ANN)
        assert page.status_code == 200
        assert "ann@example.org" in page.text
        assert (await client.get("/baton/runs")).status_code == 403
        assert (await client.get("/baton")).headers["location"].endswith("/baton/")
        assert (await client.get("/baton/static/style.css")).status_code == 200


DJANGO = """
import asyncio, httpx
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SESSION_COOKIE_NAME="sessionid",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {sqlite!r}}}}},
)
urlpatterns = []
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore

def session(**rights):
    user = get_user_model().objects.create_user(**rights)
    store = SessionStore()
    store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store.create()
    return store.session_key

keys = [session(username="ann", is_staff=True, is_superuser=True), session(username="bob")]

{source}

async def main():
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://site/") as client:
        for key in (*keys, "nobody"):
            page = await client.get("/baton/runs", headers={{"cookie": f"sessionid={{key}}"}})
            print(page.status_code, "ann" in page.text)
        print((await client.get("/baton")).headers["location"])
        print((await client.get("/elsewhere")).status_code)
    await engine.close()

asyncio.run(main())
"""


async def test_it_is_mounted_in_django_as_the_guide_says(database, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(DJANGO.format(source=BLOCKS["Django"], sqlite=str(tmp_path / "django.sqlite")))
    command = [sys.executable, str(program)]
    settings = environment(database=database) | {"PYTHONPATH": str(ROOT)}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=tmp_path, env=settings, check=False
    )

    assert done.stdout.split("\n")[:5] == ["200 True", "403 False", "403 False", "baton/", "404"], textwrap.indent(
        done.stderr, "  "
    )
