"""The pictures of a workflow: one class, for all that can be drawn without a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from baton.core.pictures.diagram import Diagram

Direction: TypeAlias = Literal["down", "right"]


class SVG(str):
    """A picture as SVG text, which a notebook shows as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


class Drawable:
    """Draws itself. The modules that draw are imported by the first picture: most processes never draw one."""

    def _diagram(self) -> Diagram:
        raise NotImplementedError

    def to_svg(self, *, direction: Direction | None = None) -> SVG:
        """Return a picture as SVG: well-formed XML without scripts and references, light or dark as the page is.

        A sub-workflow is a box around its steps, a map is one box. `direction` is "down" or "right"; left out, a
        workflow that is longer than wide goes to the right. Takes time in proportion to steps and edges. Raises
        `InvalidWorkflow`.
        """
        from baton.core.pictures.svg import to_svg

        return SVG(to_svg(self._diagram(), direction=direction))

    def to_mermaid(self, *, direction: Direction | None = None) -> str:
        """Return a picture as a Mermaid flowchart, which many documents and forges show. Raises `InvalidWorkflow`."""
        from baton.core.pictures.mermaid import to_mermaid

        return to_mermaid(self._diagram(), direction=direction)

    def to_dot(self, *, direction: Direction | None = None) -> str:
        """Return a picture in the language of Graphviz. Raises `InvalidWorkflow`."""
        from baton.core.pictures.dot import to_dot

        return to_dot(self._diagram(), direction=direction)

    def _repr_svg_(self) -> str:
        return self.to_svg()
