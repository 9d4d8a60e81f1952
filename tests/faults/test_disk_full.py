"""The disk of the tables is full for a while. Needs root, to mount a small file system."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from baton import Baton, Engine, WorkerPool, worker
from baton.embedded.binaries import server_user
from tests.database.raw_pool import assert_consistent
from tests.waiting import eventually

MEGABYTES = 24
FILL = "insert into public.filler select repeat(md5(random()::text), $1) from generate_series(1, $2)"


@pytest.fixture
def small_disk():
    """A directory on a file system of its own, which the server's user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="baton-small-", dir="/tmp"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("mounting a small file system takes root")
    try:
        user = server_user()
        assert user is not None
        shutil.chown(folder, user.uid, user.gid)
        folder.chmod(0o700)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def small_database(server, template, small_disk):
    """The address of a database with the schema `baton` on the small disk."""
    if server.embedded is None:
        pytest.skip("the server's disks are not ours to see")
    name = f"baton_small_{os.getpid()}"
    server.execute(
        f"create tablespace {name} location '{small_disk}'",
        f"create database {name} template {template} tablespace {name}",
    )
    yield server.dsn(name)
    server.execute(f"drop database {name} with (force)", f"drop tablespace {name}")


async def fill(connection):
    """Fill the disk to its last page."""
    await connection.execute("create table public.filler (text text)")
    await connection.execute("alter table public.filler alter column text set storage plain")
    for rows in (1000, 100, 10, 1):
        with suppress(asyncpg.DiskFullError):
            while True:
                await connection.execute(FILL, 200, rows)


async def test_what_finds_no_space_is_sent_again_until_there_is_some(small_database, caplog):
    may_end = []

    @worker
    async def large(number: int) -> str:
        await eventually(lambda: may_end, deadline=60)
        return f"{number} " + os.urandom(50_000).hex()

    connection = await asyncpg.connect(small_database)
    async with Engine(small_database) as engine, WorkerPool(engine, lease=2):
        workflow = Baton.new()
        for number in range(5):
            workflow.add(str(number), large.new(number=number))
        run = await workflow.insert()
        await eventually(lambda: is_executing(connection, 5), deadline=20)
        await fill(connection)
        may_end.append(True)
        await eventually(lambda: "(53100)" in caplog.text, deadline=30)
        assert await is_executing(connection, 5)
        await connection.execute("drop table public.filler")

        assert await run.wait(timeout=60) == "completed"
        assert [record.attempt for record in await run.steps()] == [1] * 5
    await assert_consistent(connection)
    await connection.close()


async def is_executing(connection, steps):
    return await connection.fetchval("select count(*) from baton.queue where state = 'executing'") == steps
