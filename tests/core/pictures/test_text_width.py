from __future__ import annotations

import pytest

from baton.core.pictures.text_width import ELLIPSIS, shortened, text_width


def test_widths_are_those_of_the_font() -> None:
    """The numbers are what Chromium says of Liberation Sans at 13 pixels, which kerns a little."""
    assert text_width("extract customers", 13) == pytest.approx(102.59, abs=0.1)
    assert text_width("WWWiii///", 13) == pytest.approx(56.31, abs=0.1)
    assert text_width("resize[12]/align-to-reference", 13) == pytest.approx(161.86, abs=0.1)


def test_a_width_grows_with_the_size_of_the_font() -> None:
    assert text_width("load", 26) == pytest.approx(2 * text_width("load", 13))


def test_east_asian_characters_are_as_wide_as_high() -> None:
    assert text_width("\u65e5\u672c", 10) == 20


def test_accents_that_are_set_over_letters_take_no_room() -> None:
    assert text_width("e\u0301\u0302", 13) == text_width("e", 13)


def test_emoji_that_are_joined_are_as_wide_as_one() -> None:
    one = text_width("\U0001f469", 13)

    assert text_width("\U0001f469\u200d\U0001f467", 13) == text_width("\U0001f469\U0001f3fd", 13) == one
    assert text_width("\U0001f469\U0001f467", 13) == 2 * one


def test_a_text_that_fits_stays_as_it_is() -> None:
    text = "exactly as wide"

    assert shortened(text, 13, text_width(text, 13)) == text


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    short = shortened("load_customer_orders_of_the_last_year_eu", 13, 150)

    assert short.startswith("load_custom")
    assert short.endswith("_eu")
    assert ELLIPSIS in short


@pytest.mark.parametrize("most", [12, 40, 99.5, 200])
@pytest.mark.parametrize(
    "letter", ["x", "W", "\u65e5", "e\u0301", "\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea"]
)
def test_a_shortened_text_is_no_wider_than_asked(letter: str, most: float) -> None:
    assert text_width(shortened(letter * 200, 11, most), 11) <= most


@pytest.mark.parametrize(
    "letter", ["e\u0301", "\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd"]
)
def test_what_is_seen_as_one_letter_is_never_cut(letter: str) -> None:
    for most in range(60, 100):
        head, tail = shortened(letter * 100, 11, most).split(ELLIPSIS)

        assert head == letter * (len(head) // len(letter))
        assert tail == letter * (len(tail) // len(letter))
        assert head + tail
