"""The layered layout of a network, from ranks to paths."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from baton.core.pictures.layered.detours import detours_of
from baton.core.pictures.layered.layering import Layered, layered
from baton.core.pictures.layered.levels import GAP, levels_of
from baton.core.pictures.layered.network import Arrangement, Network
from baton.core.pictures.layered.ordering import arrange, crossed_columns
from baton.core.pictures.layered.placement import places_of
from baton.core.pictures.layered.ranking import ranks_of
from baton.core.pictures.layered.routing import Router


def arranged(network: Network) -> Arrangement:
    """Return where everything goes. It takes time and space linear in vertices and links."""
    layers = _ordered(network)
    places = places_of(layers)
    vertices = [vertex for layer in layers.layers for vertex in layer]
    begin = min([places[vertex] - layers.half[vertex] for vertex in vertices])
    end = max([places[vertex] + layers.half[vertex] for vertex in vertices])
    detours = detours_of(layers, places, begin, end)
    levels = levels_of(network, layers, places, detours)
    paths = Router(network, layers, places, levels, detours).paths()
    return Arrangement(
        across=detours.end - detours.begin,
        along=levels.end,
        places=[(places[vertex] - detours.begin, levels.begins[vertex]) for vertex in range(len(network.across))],
        paths=paths,
        begin=detours.begin,
    )


def _ordered(network: Network) -> Layered:
    """The layers in order, where boxes that are taller than others take several layers if
    nothing has to cross them."""
    spans = _spans(network)
    while True:
        layers = layered(network, ranks_of(network, spans), spans)
        arrange(layers)
        if not crossed_columns(layers) and not (layers.detours and max(spans) > 1):
            return layers
        spans = [1] * len(spans)


def _spans(network: Network) -> Sequence[int]:
    """How many layers of ordinary boxes each vertex is as tall as."""
    pitch = median([size for size in network.along if size] or [GAP]) + GAP
    return [max(1, int((size + GAP) // pitch)) for size in network.along]
