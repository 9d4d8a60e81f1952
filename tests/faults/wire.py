"""The part of PostgreSQL's wire protocol that shows a proxy which call passes and when it is answered."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole message. Its kind is the protocol's letter, or a word for the messages that open a connection."""

    kind: str
    body: bytes
    raw: bytes

    @property
    def awaits_an_answer(self) -> bool:
        """Whether the client now waits for an answer: Query, Sync, Flush."""
        return self.kind in ("Q", "S", "H")

    def texts(self) -> list[str]:
        """Return the zero-terminated texts at the beginning of the body."""
        return [part.decode(errors="replace") for part in self.body.split(b"\0", 2)]


@dataclass(slots=True)
class Frames:
    """Splits bytes into frames. The first frames of a client have no letter; those of a server all have one."""

    is_open: bool
    """Whether frames have letters: true once the connection is open, and for a server from the start."""
    _rest: bytes = b""

    def split(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete now, in order."""
        rest = self._rest + data
        frames, start = [], 0
        while (frame := self._frame_at(rest, start)) is not None:
            start += len(frame.raw)
            self.is_open = self.is_open or frame.kind == "startup"
            frames.append(frame)
        self._rest = rest[start:]
        return frames

    def _frame_at(self, rest: bytes, start: int) -> Frame | None:
        letter = 1 if self.is_open else 0
        if len(rest) < start + letter + 4:
            return None
        (length,) = struct.unpack_from("!i", rest, start + letter)
        end = start + letter + length
        if len(rest) < end:
            return None
        body = rest[start + letter + 4 : end]
        return Frame(chr(rest[start]) if letter else _opening(body), body, rest[start:end])


def _opening(body: bytes) -> str:
    (code,) = struct.unpack_from("!i", body)
    if code in (_SSL_REQUEST, _GSS_REQUEST):
        return "encryption"
    return "cancel" if code == _CANCEL_REQUEST else "startup"


@dataclass(slots=True)
class Calls:
    """Reads a client's frames, and finds the text of the call that each begins."""

    _prepared: dict[str, str] = field(default_factory=dict)

    def begun_by(self, frame: Frame) -> str | None:
        """Return the text of the statement that the frame runs, or None if it runs none."""
        match frame.kind:
            case "Q":
                return frame.texts()[0]
            case "P":
                name, text, *_ = frame.texts()
                self._prepared[name] = text
                return None
            case "B":
                _portal, name, *_ = frame.texts()
                return self._prepared.get(name, "")
            case _:
                return None


def application_name(startup: Frame) -> str:
    """Return the application name that a client gives when it connects."""
    words = startup.body[4:].decode(errors="replace").split("\0")
    return dict(zip(words[::2], words[1::2], strict=False)).get("application_name", "")
