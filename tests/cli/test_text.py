"""Text from elsewhere: nothing in it steers a terminal, and its width is that on the screen."""

from __future__ import annotations

import unicodedata

import pytest

from baton.cli.text import cells, cut, one_line, visible, visible_lines

HOSTILE = {
    "a terminal escape": ("\x1b[31mred", "\\x1b[31mred"),
    "BEL": ("a\x07", "a\\x07"),
    "a carriage return": ("good\rbad", "good\\rbad"),
    "CSI as one character": ("\x9b31m", "\\x9b31m"),
    "a delete": ("\x7f", "\\x7f"),
    "a mark that turns the direction": ("user\u202etxt.exe", "user\\u202etxt.exe"),
    "an isolate": ("\u2066a\u2069", "\\u2066a\\u2069"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "a tag nobody sees": ("a\U000e0041", "a\\U000e0041"),
    "a lone surrogate": ("a\ud800", "a\\ud800"),
    "a byte order mark": ("\ufeffa", "\\ufeffa"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_steers_a_terminal_is_escaped(name):
    text, shown = HOSTILE[name]

    assert visible(text) == shown


@pytest.mark.parametrize("text", ["größe", "日本語", "e\u0301", "👩\u200d🚀", "a\u00a0b", "\u3000", "नमस्ते", "שלום"])
def test_what_is_drawn_stays(text):
    assert visible(text) == text


def test_no_character_reaches_a_terminal_that_could_steer_it():
    every = "".join(map(chr, range(0x110000)))

    kept = set(visible(every)) - set(map(chr, range(32, 127)))

    assert {unicodedata.category(one) for one in kept} & {"Cc", "Cs", "Co", "Zl", "Zp"} == set()
    assert {one for one in kept if unicodedata.category(one) == "Cf"} == {"\u200c", "\u200d"}
    assert not {one for one in kept if unicodedata.bidirectional(one) in {"LRE", "RLE", "LRO", "RLO", "PDF"}}


def test_lines_stay_lines():
    assert visible_lines("a\n\tb\r\nc\rd\x1b") == "a\n\tb\nc\\rd\\x1b"
    assert one_line(" a\n\tb  c\x1b ") == "a b c\\x1b"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("größe", 5), ("日本", 4), ("e\u0301", 1), ("a\u200db", 2), ("", 0), ("🚀", 2)]
)
def test_the_width_of_a_text_is_known(text, columns):
    assert cells(text) == columns


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_a_text_is_cut_to_its_columns(text, width, shown):
    assert cut(text, width) == shown
    assert cells(shown) <= width
