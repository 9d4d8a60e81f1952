"""What a pool provides to its workers: made when the pool is entered, closed when it has drained."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias, get_args, get_origin

from baton.core.annotations import resolved_annotations
from baton.core.compatibility import type_name
from baton.core.options import checked_list
from baton.core.worker import AnyWorker
from baton.errors import InvalidOption

Provider: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]

_HOLDERS = (AbstractAsyncContextManager, AsyncIterator, AsyncGenerator)


def checked_providers(providers: Sequence[Provider]) -> dict[Any, Provider]:
    """Return providers by the type they make.

    Raises: InvalidOption for one whose type is not known, or that is provided twice.
    """
    checked: dict[Any, Provider] = {}
    for provider in checked_list("provide", providers, "Client"):
        kind = _type_made_by(provider)
        if kind in checked:
            raise InvalidOption(
                "provide", provider, f"{type_name(kind)} is provided already, and a type has one provider"
            )
        checked[kind] = provider
    return checked


class Resources:
    """Enters the context managers that providers make, and hands what they yield to the workers that ask for it."""

    def __init__(self, providers: Mapping[Any, Provider]) -> None:
        self._providers = providers
        self._made: dict[Any, Any] = {}
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Enter them in the order given; if one raises, those that were entered are left again."""
        async with AsyncExitStack() as stack:
            for kind, provider in self._providers.items():
                manager = provider()
                if not isinstance(manager, AbstractAsyncContextManager):
                    raise InvalidOption(
                        "provide",
                        provider,
                        f"it returned an object of type {type(manager).__name__}, which is not an asynchronous context "
                        f"manager; give it __aenter__ and __aexit__, or write a function with @asynccontextmanager",
                    )
                self._made[kind] = await stack.enter_async_context(manager)
            self._stack = stack.pop_all()

    async def aclose(self) -> None:
        """Leave them, last first."""
        self._made.clear()
        await self._stack.aclose()

    def missing(self, worker: AnyWorker) -> str | None:
        """Return why the worker cannot run here, if it asks for something that is not provided."""
        for kind in worker.provided.values():
            if kind not in self._made:
                here = ", ".join(map(type_name, self._made)) or "nothing"
                return (
                    f"worker {worker.name!r} asks for {type_name(kind)}, which this worker pool does not provide (it "
                    f"provides {here}): write WorkerPool(provide=[{type_name(kind)}])"
                )
        return None

    def of(self, worker: AnyWorker) -> Mapping[str, Any]:
        """Return what the worker asks for, by parameter name."""
        return {name: self._made[kind] for name, kind in worker.provided.items()}


def _type_made_by(provider: Any) -> Any:
    """Return the type that is provided: a class itself, or what the return annotation of a function names."""
    if isinstance(provider, type):
        return provider
    if not callable(provider):
        raise InvalidOption("provide", provider, "it must be a class or a function without arguments")
    annotation = resolved_annotations(inspect.unwrap(provider)).get("return")
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, _HOLDERS):
        annotation = get_args(annotation)[0]
    if annotation is None or annotation is Any or isinstance(annotation, str):
        raise InvalidOption(
            "provide",
            provider,
            "its return annotation does not say what it provides; write -> AsyncIterator[HttpClient]",
        )
    return annotation
