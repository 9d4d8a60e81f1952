"""Prints the widths of a TrueType font's characters as the module baton/core/pictures/advances.py.

    python tests/core/pictures/font_advances.py LiberationSans-Regular.ttf > baton/core/pictures/advances.py

Only the tables that say how wide a character is are read: head, hhea, hmtx and cmap (format 4).
"""

from __future__ import annotations

import struct
import sys
import textwrap
from pathlib import Path

RANGES = [
    (0x20, 0x7E),  # ASCII
    (0xA0, 0x24F),  # Latin
    (0x2B0, 0x2DD),  # modifier letters
    (0x370, 0x52F),  # Greek and Cyrillic
    (0x5D0, 0x5EA),  # Hebrew
    (0x1E00, 0x1EFF),  # more Latin
    (0x2010, 0x205E),  # punctuation
    (0x20A0, 0x20BF),  # currency signs
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x25A0, 0x25FF),  # geometric shapes
]

HEAD = '''"""How wide the characters of Liberation Sans are, in thousandths of the font size.

The font has the metrics of Arial and Helvetica, one of which nearly every machine has. The widths
were read from version 2.1.5 of the font by tests/core/pictures/font_advances.py, which writes this
file.
"""

from __future__ import annotations

RUNS = """
'''
TAIL = '''"""
"""The code point of a character in hexadecimal and a colon, then the widths of the characters from
there on."""
'''


def tables(font: bytes) -> dict[str, bytes]:
    found = {}
    for index in range(struct.unpack_from(">H", font, 4)[0]):
        tag, _, offset, length = struct.unpack_from(">4sLLL", font, 12 + 16 * index)
        found[tag.decode()] = font[offset : offset + length]
    return found


def glyphs(cmap: bytes) -> dict[int, int]:
    """The glyph of each character, by code point."""
    for index in range(struct.unpack_from(">H", cmap, 2)[0]):
        platform, encoding, offset = struct.unpack_from(">HHL", cmap, 4 + 8 * index)
        if (platform, encoding) == (3, 1):
            return segments(cmap[offset:])
    raise SystemExit("the font has no cmap of format 4 for Windows and Unicode")


def segments(table: bytes) -> dict[int, int]:
    count = struct.unpack_from(">H", table, 6)[0] // 2
    ends, starts, deltas, offsets = (
        struct.unpack_from(f">{count}H", table, 14 + 2 * count * part + (2 if part else 0)) for part in range(4)
    )
    found = {}
    for index in range(count):
        for code in range(starts[index], ends[index] + 1):
            if offsets[index] == 0:
                found[code] = (code + deltas[index]) & 0xFFFF
            else:
                place = 16 + 6 * count + 2 * index + offsets[index] + 2 * (code - starts[index])
                glyph = struct.unpack_from(">H", table, place)[0]
                found[code] = (glyph + deltas[index]) & 0xFFFF if glyph else 0
    return {code: glyph for code, glyph in found.items() if glyph}


def advances(font: bytes) -> dict[int, int]:
    """The width of each character in thousandths of the font size, by code point."""
    found = tables(font)
    per_em = struct.unpack_from(">H", found["head"], 18)[0]
    measured = struct.unpack_from(">H", found["hhea"], 34)[0]
    widths = [struct.unpack_from(">H", found["hmtx"], 4 * index)[0] for index in range(measured)]
    return {
        code: round(widths[min(glyph, measured - 1)] * 1000 / per_em) for code, glyph in glyphs(found["cmap"]).items()
    }


def runs(widths: dict[int, int]) -> list[tuple[int, list[int]]]:
    found: list[tuple[int, list[int]]] = []
    for first, last in RANGES:
        for code in range(first, last + 1):
            if code not in widths:
                continue
            if found and found[-1][0] + len(found[-1][1]) == code:
                found[-1][1].append(widths[code])
            else:
                found.append((code, [widths[code]]))
    return found


def module(font: bytes) -> str:
    found = [f"{first:04X}: {' '.join(map(str, widths))}" for first, widths in runs(advances(font))]
    return HEAD + "\n".join(textwrap.fill(run, 99) for run in found) + "\n" + TAIL


if __name__ == "__main__":
    sys.stdout.write(module(Path(sys.argv[1]).read_bytes()))
