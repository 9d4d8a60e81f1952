"""What runs in a child process of a pool: one attempt after the other, each asked for and answered over two pipes.

A message is eight bytes with its length, and JSON. The child ends when the pool closes the pipes, and with its parent,
however that ends.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from importlib.abc import InspectLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, BinaryIO

from baton.core.context import Leave
from baton.core.outcome import Outcome, to_text
from baton.core.program_import import importing_program
from baton.runtime.invocation import MAIN, Origin, claim_from_text, import_failed, run_imported

LENGTH_BYTES = 8
LEFT = "left "
"""How a message begins that is not the answer, but what the attempt leaves before it: kind, key and value."""
PARENT_SECONDS = 1.0
"""How often the child checks whether its parent is still there."""
ORPHANED = 71
PR_SET_PDEATHSIG = 1
_OWN_MAIN = sys.modules[MAIN]


def main() -> None:
    """Answer requests until there are no more. The parent's process id is the last argument of the command."""
    end_with_parent(int(sys.argv[-1]))
    # The terminal's Ctrl-C goes to the whole group; the pool decides what becomes of this attempt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _own_streams()
    # The worker may use threads, and each message has to be whole.
    lock = threading.Lock()

    def send(message: str) -> None:
        encoded = message.encode()
        with lock:
            answers.write(len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded)
            answers.flush()

    def leave(kind: str, key: str, value: str) -> None:
        send(LEFT + json.dumps([kind, key, value], ensure_ascii=True))

    while (request := _received(requests)) is not None:
        send(to_text(_run(**request, leave=leave)))


def _received(requests: BinaryIO) -> Mapping[str, Any] | None:
    length = requests.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    request: Mapping[str, Any] = json.loads(requests.read(int.from_bytes(length, "big")))
    return request


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for the pool alone; the copies are inherited by no program of the worker's.

    What the worker prints would be taken for an answer, and what it reads would be lost: it finds an empty input, and
    its output goes where the errors go.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def end_with_parent(parent: int) -> None:
    """End this process when its parent has ended: a pool that was killed must not leave its attempts computing."""
    if sys.platform == "linux":
        # At once, and even while the attempt lets no other thread run.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="baton parent watch", daemon=True).start()


def _run(module: str, is_program: bool, file: str | None, claimed: str, leave: Leave) -> Outcome:
    try:
        _import(Origin(module, is_program, file))
    except BaseException as error:  # noqa: BLE001 - it runs the application's code, and this process serves others too
        remedy = "its import must work in a process that only runs its workers"
        return import_failed(file or module, "in another process", error, remedy)
    return run_imported(claim_from_text(claimed), module, leave)


def _import(origin: Origin) -> None:
    if not origin.is_program:
        importlib.import_module(origin.module)
    # multiprocessing, if anything imports it, calls this process's own main module by the same
    # name.
    elif sys.modules.get(origin.module) in (None, _OWN_MAIN):
        _import_program(origin)


def _import_program(origin: Origin) -> None:
    """Import the program under another name than `__main__`, and leave out its work if nothing guards it."""
    imported, code = _program(origin)
    before = sys.modules[MAIN]
    sys.modules[MAIN] = sys.modules[origin.module] = imported
    try:
        with importing_program():
            exec(code, imported.__dict__)
    except BaseException:
        sys.modules[MAIN] = before
        del sys.modules[origin.module]
        raise


def _program(origin: Origin) -> tuple[ModuleType, CodeType]:
    if origin.file is not None:
        imported = ModuleType(origin.module)
        imported.__file__ = origin.file
        return imported, compile(Path(origin.file).read_bytes(), origin.file, "exec", dont_inherit=True)
    spec = importlib.util.find_spec(origin.module)
    if spec is None or not isinstance(spec.loader, InspectLoader):
        raise ModuleNotFoundError(f"No module named {origin.module!r}", name=origin.module)
    code = spec.loader.get_code(origin.module)
    assert code is not None
    return importlib.util.module_from_spec(spec), code
