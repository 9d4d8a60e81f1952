"""The errors of a schema that cannot be used as it is."""

# ruff: noqa: N818  # as in the package

from __future__ import annotations

from baton.errors.root import BatonError


class SchemaMissing(BatonError):
    """Raised when the schema is not there, where it may not be created."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        super().__init__(f"the database has no schema {schema!r}; create it with 'baton migrate'")


class SchemaRenamed(BatonError):
    """Raised when the schema was renamed since its functions were made."""

    def __init__(self, schema: str, former_path: str) -> None:
        self.schema = schema
        super().__init__(
            f"schema {schema!r} was renamed, and its functions still look for their tables in {former_path}; "
            f"'baton migrate' tells them the new name"
        )


class UnsafeSchema(BatonError):
    """Raised by a migration into a schema in which other roles may have put something; nothing was changed."""

    def __init__(self, schema: str, why: str) -> None:
        self.schema = schema
        self.why = why
        super().__init__(
            f"schema {schema!r} is not migrated, for what others put into it would run with your rights: {why}"
        )


class SchemaMismatch(BatonError):
    """The schema's version is not one that this library works with. Raised as one of the two kinds below."""

    remedy = ""

    def __init__(self, schema: str, found: int, wanted: int) -> None:
        self.schema = schema
        self.found = found
        self.wanted = wanted
        super().__init__(f"schema {schema!r} is at version {found}, this library is made for {wanted}; {self.remedy}")


class SchemaOutdated(SchemaMismatch):
    """Raised when the schema is older than this library needs."""

    remedy = "bring the schema up to date with 'baton migrate' or Engine(migrate=True)"


class SchemaTooNew(SchemaMismatch):
    """Raised when the schema has a change that this library is too old to work with."""

    remedy = "the schema works only with a newer library, so upgrade this one"
