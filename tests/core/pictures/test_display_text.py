from __future__ import annotations

import unicodedata

import pytest

from baton.core.pictures.display_text import MOST_MARKS, REPLACEMENT, displayable
from tests.core.pictures.hostile import NAMES


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_becomes_one_line_of_writable_characters(name: str) -> None:
    shown = displayable(name)

    assert shown.encode().decode() == shown
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
    assert shown == " ".join(shown.split())


def test_ordinary_text_of_any_script_stays() -> None:
    text = "Gr\u00f6\u00dfe \u65e5\u672c\u8a9e \u05e9\u05dc\u05d5\u05dd \U0001f469\u200d\U0001f467 e\u0301"

    assert displayable(text) == text


def test_what_is_replaced_is_seen() -> None:
    assert displayable("a\x00b\u202ec") == f"a{REPLACEMENT}b{REPLACEMENT}c"


def test_a_pile_of_accents_is_cut() -> None:
    assert displayable("a" + "\u0301" * 50 + "b") == "a" + "\u0301" * MOST_MARKS + "b"
