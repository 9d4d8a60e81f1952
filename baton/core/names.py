"""What may be a name, and the one form in which it is kept."""

from __future__ import annotations

import os
import re
import time
import unicodedata

from baton.errors import InvalidName

MAX_NAME_LENGTH = 200

# Lone surrogates cannot be stored: a text column takes only what has a form in UTF-8.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_RESERVED = re.compile(r"[/\[\]]")


def normalised(name: str) -> str:
    """Return the NFC form of `name`, so that two spellings of the same letters are one name."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def checked_name(kind: str, name: object) -> str:
    """Return the NFC form of `name`, which may be the name of a step or a worker.

    `kind` says in the message what was to be named. Raises `InvalidName`.
    """
    text = checked_text(kind, name)
    if found := _RESERVED.search(text):
        raise InvalidName(kind, name, f"{found.group()!r} is reserved for the children of a step")
    return normalised(text)


def checked_text(kind: str, text: object) -> str:
    """Return `text` as it is, if it is a string of 1 to 200 characters that a database can store.

    Raises `InvalidName`.
    """
    # Nearly all names end here; the checks below take five times as long.
    if type(text) is str and len(text) <= MAX_NAME_LENGTH and text.isascii() and text.isprintable() and text.strip():
        return text
    if not isinstance(text, str):
        raise InvalidName(kind, text, f"it must be a string, not {type(text).__name__}")
    if not text.strip():
        raise InvalidName(kind, text, "it must not be empty")
    if len(normalised(text)) > MAX_NAME_LENGTH:
        raise InvalidName(kind, text, f"it has {len(text)} characters, and at most {MAX_NAME_LENGTH} are allowed")
    if found := _UNWRITABLE.search(text):
        raise InvalidName(kind, text, f"it contains the character {found.group()!r}, which cannot be stored or shown")
    return text


def checked_actor(actor: object) -> str | None:
    """Return who makes a call, as the caller says, if that can be noted; None for nobody. Raises `InvalidName`."""
    return None if actor is None else checked_text("actor", actor)


def new_workflow_id() -> str:
    """Return a fresh id for a workflow: a UUID of version 7 (RFC 9562), 60 bits of it the time and 62 random.

    Drawn one after the other they ascend, so they come to lie at one end of the index on ids: a new one meets a page
    that was just written, where one of version 4 would have the server read and log a whole page for each.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    noise = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    digits = f"{milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | noise:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
