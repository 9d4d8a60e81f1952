"""Make a workflow of a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import msgspec

from baton.core import codec, registry
from baton.core.condition_reading import read_condition
from baton.core.error_texts import text_of
from baton.core.holes import Param
from baton.core.job import Job
from baton.core.json_arguments import lists_of_map
from baton.core.json_options import option_of_json
from baton.core.references import Each
from baton.core.templates.described_worker import DescribedWorker, WorkerDescription
from baton.core.templates.document import VERSION, JobTemplate, StepTemplate, Template, WorkflowTemplate
from baton.core.templates.markers import NoMarker, filled_in, read_each, read_param, read_value
from baton.core.templates.wait_fields import read_wait
from baton.core.waits import Wait
from baton.core.worker import AnyWorker
from baton.core.workflow import Baton
from baton.errors import BatonError, InvalidTemplate
from baton.errors.texts import did_you_mean


def read_template(text: str | bytes, values: Mapping[str, Any], workflow_id: str | None, key: str | None) -> Baton:
    """Return the workflow of a template, with values in all of its holes. Raises `InvalidTemplate`, `InvalidName`."""
    template = _decoded(text)
    options = {name: getattr(template, name) for name in ("debug", "meta", "key", "key_for", "tags")}
    options["key"] = options["key"] if key is None else key
    reader = _Reader(template.workers, values)
    flow = reader.workflow(Baton.new, template, "$", workflow_id=workflow_id, workflow_name=template.name, **options)
    reader.require_all_used()
    return flow


def _decoded(text: str | bytes) -> Template:
    try:
        plain = codec.decode(text.decode() if isinstance(text, bytes) else text)
    except ValueError as error:
        raise InvalidTemplate(f"it is not JSON: {error}") from None
    if not isinstance(plain, dict) or "template" not in plain:
        what = "it is what to_json() writes, which only the database reads" if _is_compiled(plain) else "it is none"
        raise InvalidTemplate(f'{what}; a template begins with "template": {VERSION}, as to_template() writes it')
    version = plain["template"]
    if type(version) is int and version > VERSION:
        raise InvalidTemplate(f"it has version {version}, and this library reads versions up to {VERSION}; upgrade it")
    if type(version) is not int or version != VERSION:
        raise InvalidTemplate(f'"template": {version!r} is not a version; this library reads versions up to {VERSION}')
    try:
        return msgspec.convert(plain, Template)
    except msgspec.ValidationError as error:
        raise InvalidTemplate(_explained(str(error))) from None


def _is_compiled(plain: object) -> bool:
    return isinstance(plain, dict) and "format" in plain and "fingerprint" in plain


def _explained(error: str) -> str:
    """Return what msgspec says of a document, with the nearest field for one that it does not have."""
    said, _, path = error.partition(" - at ")
    where = f"at {path.strip('`')}: " if path else ""
    if said.startswith("Object contains unknown field"):
        unknown = said.split("`")[1]
        known = {field for kind in _KINDS for field in kind.__struct_fields__}
        return f"{where}there is no field {unknown!r} in version {VERSION}{did_you_mean(unknown, known)}"
    if said.startswith("Object missing required field"):
        return f"{where}it lacks the field {said.split('`')[1]!r}"
    return f"{where}{said[0].lower()}{said[1:].replace('`', '')}"


_KINDS = (Template, StepTemplate, WorkflowTemplate, JobTemplate, WorkerDescription)


class _Reader:
    """Reads the steps of one template, and fills their holes."""

    def __init__(self, workers: Mapping[str, WorkerDescription], values: Mapping[str, Any]) -> None:
        self._descriptions = workers
        self._workers: dict[str, AnyWorker] = {}
        self._values = values
        self._holes: dict[str, str] = {}
        """Where a hole is that has no value, by its name."""
        self._used: set[str] = set()
        self._of_maps: frozenset[str] = frozenset()
        """Holes that get items of the maps around what is read."""

    def require_all_used(self) -> None:
        """Raise `InvalidTemplate` for holes that have no value, and for values that have no hole."""
        faults = [f"the hole {name!r} of {where} has no value" for name, where in self._holes.items()]
        known = self._used | self._holes.keys()
        for name in self._values:
            if name not in known:
                holes = f"its holes are {', '.join(map(repr, sorted(known)))}" if known else "it has none"
                faults.append(f"there is no hole {name!r}{did_you_mean(name, known) or f'; {holes}'}")
        if faults:
            raise InvalidTemplate("; ".join(faults))

    def workflow(self, new: Any, given: Template | WorkflowTemplate, path: str, **options: Any) -> Baton:
        # Workflows are nested at most a hundred deep; beyond that Python's own limit is near.
        try:
            models = None if given.models is None else self._models(given.models)
            bounds = {"fail_fast": given.fail_fast, "deadline": given.deadline, "models": models}
            flow: Baton = new(**bounds, budget=given.budgets or None, **options)
            if given.returns is not None:
                flow.returns(given.returns)
        except (BatonError, TypeError) as error:
            _refuse(path, error)
        for number, step in enumerate(given.steps):
            self._add(flow, step, f"{path}.steps[{number}]")
        return flow

    def _models(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a model map with values in its holes."""
        models = {name: _option("models", model) for name, model in given.items()}
        for name, model in models.items():
            if not isinstance(model, Param):
                continue
            if model.name in self._values:
                self._used.add(model.name)
                models[name] = self._values[model.name]
            else:
                self._holes.setdefault(model.name, "a model map")
        return models

    def _add(self, flow: Baton, step: StepTemplate, path: str) -> None:
        where = f"step {step.name!r}"
        try:
            flow.add(
                step.name,
                self._what(step, path),
                each=None if step.each is None else self._lists(step.each, where),
                deps=step.deps,
                when=None if step.when is None else read_condition(step.when),
                runs=step.runs,  # type: ignore[arg-type]  # checked there
                needs=step.needs,
                rest=step.rest,  # type: ignore[arg-type]
                undo=None if step.undo is None else self._job(step.undo, f"the undo of {where}"),
                ignore_cancelled=step.ignore_cancelled,
                ignore_discarded=step.ignore_discarded,
                ignore_skipped=step.ignore_skipped,
            )
        except InvalidTemplate:
            raise
        except (BatonError, TypeError, NoMarker, msgspec.ValidationError, RecursionError) as error:
            _refuse(where if path.count("[") == 1 else f"{where} at {path}", error)

    def _what(self, step: StepTemplate, path: str) -> Job | Baton | Wait:
        given = [field for field in ("worker", "workflow", "awaits") if getattr(step, field) is not None]
        if len(given) != 1:
            raise NoMarker("it has one of 'worker', 'workflow' and 'awaits', and no other")
        if step.worker is not None:
            job = JobTemplate(worker=step.worker, arguments=step.arguments or {}, options=step.options or {})
            return self._job(job, f"step {step.name!r}")
        if step.arguments is not None or (step.options is not None and step.each is None):
            raise NoMarker("only a step with a worker has arguments and options, and a map of a workflow options")
        if step.workflow is not None:
            with self._filled_by_map(step.each or {}):
                inner = self.workflow(Baton.new, step.workflow, f"{path}.workflow")
            return inner.with_options(**step.options) if step.options else inner
        assert step.awaits is not None
        return read_wait(step.awaits)

    def _job(self, given: JobTemplate, where: str) -> Job:
        worker = self._worker(given.worker)
        arguments = {name: read_value(value) for name, value in given.arguments.items()}
        options = {option: _option(option, value) for option, value in given.options.items()}
        job = Job(worker, worker.read(arguments), {}).with_options(**options)
        return job.filled(self._values_of([hole.name for hole in job.holes], where))

    def _lists(self, given: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        """Return the lists of a map of a workflow, with values in their holes."""
        lists = {name: read_each(items) for name, items in given.items()}
        encoded = lists_of_map(where, lists)
        values = self._values_of([hole.name for hole in encoded.holes], where)
        return {name: Each(filled_in(each.items, values)) for name, each in lists.items()}

    def _values_of(self, holes: Sequence[str], where: str) -> Mapping[str, Any]:
        """Return the values of these holes that no map fills, and note those that have none."""
        for name in holes:
            if name in self._of_maps:
                continue
            if name in self._values:
                self._used.add(name)
            else:
                self._holes.setdefault(name, where)
        return {name: value for name, value in self._values.items() if name not in self._of_maps}

    @contextmanager
    def _filled_by_map(self, each: Mapping[str, Any]) -> Iterator[None]:
        """Leave holes of these names to a map around what is read."""
        before = self._of_maps
        self._of_maps = before | each.keys()
        try:
            yield
        finally:
            self._of_maps = before

    def _worker(self, name: str) -> AnyWorker:
        if (known := self._workers.get(name) or registry.get(name)) is None:
            if (said := self._descriptions.get(name)) is None:
                near = did_you_mean(name, {*registry.names(), *self._descriptions})
                raise NoMarker(
                    f"worker {name!r} is not known in this process, nor described under 'workers'; import the module "
                    f"that defines it{near}"
                )
            known = DescribedWorker(name, said)
        self._workers[name] = known
        return known


def _option(option: str, value: Any) -> Any:
    """Return an option as `with_options` takes it."""
    match value:
        case {"$param": _}:
            return read_param(value)
        case _:
            return option_of_json(option, value)


def _refuse(where: str, error: Exception) -> NoReturn:
    raise InvalidTemplate(
        f"{where}: {text_of(error) if isinstance(error, msgspec.ValidationError) else error}"
    ) from None
