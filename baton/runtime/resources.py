"""What a pool provides its workers with: made once when it is entered, closed when it has drained."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias, get_args, get_origin

from baton.core.annotations import resolved_annotations
from baton.core.provided import told
from baton.core.worker import AnyWorker
from baton.errors import InvalidOption

Provider: TypeAlias = Callable[[], AbstractAsyncContextManager[Any]]

_HOLDERS = (AbstractAsyncContextManager, AsyncIterator, AsyncGenerator)


def checked_providers(providers: Sequence[Provider]) -> dict[Any, Provider]:
    """Return providers by the type they make.

    Raises: InvalidOption for one whose type is not known, or that is provided twice.
    """
    checked: dict[Any, Provider] = {}
    for provider in providers:
        kind = _type_made_by(provider)
        if kind in checked:
            raise InvalidOption("provide", provider, f"{told(kind)} is provided already, and a type has one provider")
        checked[kind] = provider
    return checked


class Resources:
    """Enters what the providers make, and hands it to the workers that ask for its type."""

    def __init__(self, providers: Mapping[Any, Provider]) -> None:
        self._providers = providers
        self._made: dict[Any, Any] = {}
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Enter them in the order given; if one raises, those before it are left again."""
        async with AsyncExitStack() as stack:
            for kind, provider in self._providers.items():
                manager = provider()
                if not isinstance(manager, AbstractAsyncContextManager):
                    raise InvalidOption(
                        "provide",
                        provider,
                        f"what it returns is no asynchronous context manager, but {type(manager).__name__}; give it "
                        f"__aenter__ and __aexit__, or write a function with @asynccontextmanager",
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
                here = ", ".join(map(told, self._made)) or "nothing"
                return (
                    f"worker {worker.name!r} asks for {told(kind)}, which this worker pool does not provide (it "
                    f"provides {here}): write WorkerPool(provide=[{told(kind)}])"
                )
        return None

    def of(self, worker: AnyWorker) -> Mapping[str, Any]:
        """Return by parameter name what the worker asks for."""
        return {name: self._made[kind] for name, kind in worker.provided.items()}


def _type_made_by(provider: Any) -> Any:
    """Return the type that a class, or a function by its return annotation, provides."""
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
