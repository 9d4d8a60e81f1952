"""docs/reference.md is what the docstrings say, and every public name has one."""

from __future__ import annotations

import pytest

from tests.docs.api_reference import COMMAND, MODULES, REFERENCE_FILE, entries, reference


def test_the_reference_is_what_the_docstrings_say():
    assert REFERENCE_FILE.read_text(encoding="utf-8") == reference(), f"run {COMMAND}"


@pytest.mark.parametrize("module", [name for name, _ in MODULES])
def test_every_public_name_and_method_has_a_docstring(module):
    found = entries(module)

    assert [entry.name for entry in found if not entry.doc] == []
    assert [
        f"{entry.name}.{member.name}"
        for entry in found
        for member in entry.members
        if not member.doc and not member.is_field
    ] == []
