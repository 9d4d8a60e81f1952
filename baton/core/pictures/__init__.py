"""Pictures of workflow graphs: what to draw, where everything goes, and the picture as SVG, Mermaid
or DOT.

Nothing here knows a workflow, a run or the database: a `Diagram` goes in, text or frozen
coordinates come out.
"""
