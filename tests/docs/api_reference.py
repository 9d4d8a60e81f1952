"""The reference of the public interface, as Markdown, made from docstrings.

`python -m tests.docs.api_reference` writes it to docs/reference.md.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.test_public_interface import INTERNAL

REFERENCE_FILE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
COMMAND = "python -m tests.docs.api_reference"
MODULES = (
    ("baton", "What an application imports."),
    ("baton.events", "What `WorkerPool(observers=...)` is given."),
    ("baton.causes", "What `run.explain()` returns; see [explain.md](explain.md)."),
    ("baton.errors.faults", "The faults that `InvalidWorkflow.faults` lists."),
    ("baton.testing", "For tests; see [testing.md](testing.md)."),
    ("baton.llm", "For language models; see [language-models.md](language-models.md)."),
    ("baton.web", "The dashboard; see [dashboard.md](dashboard.md)."),
    ("baton.contrib.fastapi", "For FastAPI and Starlette; see [applications.md](applications.md)."),
    ("baton.contrib.aiohttp", "For aiohttp; see [applications.md](applications.md)."),
    ("baton.contrib.events", "Server-sent events for other frameworks; see [applications.md](applications.md)."),
    ("baton.contrib.prometheus", "Metrics; see [observing.md](observing.md)."),
)
HEAD = f"""# Reference

Everything that is public, with its docstring. `{COMMAND}` wrote this page; a test compares it with the code. A name
that is not here is internal, and may change in any version.
"""
_SECTION = re.compile(r"^(Args|Raises|Raises on entry|Returns|Attributes):$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One public name, or a public member of one."""

    name: str
    signature: str
    doc: str
    members: Sequence[Entry] = ()

    @property
    def is_field(self) -> bool:
        """A field or a property, which is read and not called."""
        return self.signature.startswith(": ")


def reference() -> str:
    """Return the whole page."""
    parts = [HEAD, "\n".join(f"- [{name}](#{_anchor(name)}): {about}" for name, about in MODULES), ""]
    for name, about in MODULES:
        parts += [f"## {name}", "", about, ""]
        for entry in entries(name):
            parts += [f"### {entry.name}", "", *_body(entry)]
            parts += _fields(entry)
            for member in entry.members:
                if not member.is_field:
                    parts += [f"#### {entry.name}.{member.name}", "", *_body(member)]
    return "\n".join(parts).rstrip() + "\n"


def entries(module_name: str) -> list[Entry]:
    """Return the public names of a module in the order of the alphabet."""
    module = importlib.import_module(module_name)
    return [_entry(name, module) for name in sorted(_public(module), key=str.lower)]


def _public(module: object) -> Sequence[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [name for name in listed if not name.startswith("__")]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def _entry(name: str, module: object) -> Entry:
    value = getattr(module, name)
    definition = _definition_of(value, name, module)
    match definition:
        case ast.ClassDef():
            return Entry(name, _class_signature(definition), _doc(definition), list(_members(value)))
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return Entry(name, _signature(definition), _doc(definition))
        case _:
            return Entry(name, "", definition or _doc_of_instance(value))


def _definition_of(value: object, name: str, module: object) -> ast.AST | str | None:
    """Return where it is defined: a class, a function, or the docstring below an assignment."""
    target = inspect.unwrap(value) if callable(value) else value
    if inspect.isclass(target) or inspect.isfunction(target):
        tree = ast.parse(inspect.getsource(inspect.getmodule(target)))
        found = [node for node in ast.walk(tree) if getattr(node, "name", None) == target.__name__]
        # Of overloads the last one, which is the implementation.
        return found[-1] if found else None
    for where in _modules_that_assign(name, module):
        body = ast.parse(inspect.getsource(where)).body
        for node, after in pairwise(body):
            if _assigned(node) == name:
                return _text(after)
    return None


def _modules_that_assign(name: str, module: object) -> Iterator[object]:
    """Yield the module, and the one that it imports this name from."""
    yield module
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module and {name, "*"} & {one.name for one in node.names}:
            yield importlib.import_module(node.module)


def _members(cls: type) -> Iterator[Entry]:
    """Yield fields, properties and methods, those of bases of this package as well."""
    seen: set[str] = set()
    for owner in cls.__mro__:
        if not owner.__module__.startswith("baton"):
            continue
        tree = ast.parse(inspect.getsource(inspect.getmodule(owner)))
        definition = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == owner.__name__][-1]
        for node, after in zip(definition.body, [*definition.body[1:], None], strict=True):
            name = getattr(node, "name", None) or _assigned(node)
            if name is None or name.startswith("_") or name in seen or f"{cls.__name__}.{name}" in INTERNAL:
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                is_described_by_base = not _doc(node) and any(hasattr(base, name) for base in owner.__mro__[1:])
                if is_described_by_base or "overload" in {ast.unparse(one) for one in node.decorator_list}:
                    continue
                is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
                returned = f": {ast.unparse(node.returns)}" if node.returns else ""
                yield Entry(name, returned if is_property else _signature(node), _doc(node))
            elif isinstance(node, ast.AnnAssign):
                yield Entry(name, f": {ast.unparse(node.annotation)}", _text(after))
            else:
                continue
            seen.add(name)


def _assigned(node: ast.AST) -> str | None:
    match node:
        case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)):
            return name
        case _:
            return None


def _text(node: ast.AST | None) -> str:
    match node:
        case ast.Expr(ast.Constant(str(text))):
            return inspect.cleandoc(text)
        case _:
            return ""


def _doc(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return ast.get_docstring(node) or ""


def _doc_of_instance(value: object) -> str:
    return inspect.cleandoc(type(value).__doc__ or "") if type(value).__module__.startswith("baton") else ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args)).removeprefix("/, ")
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{'await ' if isinstance(node, ast.AsyncFunctionDef) else ''}({arguments}){returned}"


def _class_signature(node: ast.ClassDef) -> str:
    made = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    return re.sub(r" -> None$", "", _signature(made[-1])) if made else ""


def _body(entry: Entry) -> Iterator[str]:
    if entry.signature:
        is_awaited = entry.signature.startswith("await ")
        said = f"{'await ' if is_awaited else ''}{entry.name}{entry.signature.removeprefix('await ')}"
        yield from ("```python", said, "```", "")
    if entry.doc:
        yield from (_markdown(entry.doc), "")


def _fields(entry: Entry) -> Iterator[str]:
    fields = [member for member in entry.members if member.is_field]
    for field in fields:
        about = " ".join(field.doc.split())
        yield f"- `{field.name}{field.signature}`{': ' if about else ''}{about}"
    if fields:
        yield ""


def _markdown(doc: str) -> str:
    """Return a docstring with its lists of arguments and errors as lists of Markdown."""
    lines: list[str] = []
    in_list = False
    for line in doc.splitlines():
        if _SECTION.match(line.strip()) and not line.startswith(" "):
            lines += [f"**{line.strip().removesuffix(':')}**", ""]
            in_list = True
        elif in_list and re.match(r"    [\w*, ]+: ", line):
            name, _, about = line.strip().partition(": ")
            lines.append(f"- `{name}`: {about}")
        elif in_list and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            in_list = in_list and not line
            lines.append(line)
    return "\n".join(lines)


def _anchor(name: str) -> str:
    return name.replace(".", "")


if __name__ == "__main__":
    REFERENCE_FILE.write_text(reference(), encoding="utf-8")
