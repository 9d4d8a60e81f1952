from __future__ import annotations

import random
import re
from xml.etree import ElementTree as ET

import pytest

from baton.core.pictures.diagram import KINDS, STATES, Diagram, Edge, Node
from baton.core.pictures.display_text import displayable
from baton.core.pictures.layout import laid_out
from baton.core.pictures.palette import DARK, ICONS, LIGHT, LOOKS, PLAIN, SIGNS
from baton.core.pictures.svg import STYLE, to_svg
from tests.core.pictures.drawing import drawn_dag, drawn_diagram
from tests.core.pictures.hostile import hostile_diagram

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "style", "g", "rect", "circle", "path", "text"}
ATTRIBUTES = {
    *("class", "d", "data-key", "fill", "fill-opacity", "font-family", "font-size", "height", "lengthAdjust", "r"),
    *("role", "rx", "stroke", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "stroke-width", "textLength"),
    *("transform", "viewBox", "width", "x", "y"),
}


def read(diagram: Diagram) -> ET.Element:
    return ET.fromstring(to_svg(diagram))


def texts(root: ET.Element) -> list[str]:
    return [found.text or "" for found in root.iter(f"{SVG}text")]


def tooltips(root: ET.Element) -> list[str]:
    return [found.text or "" for found in root.iter(f"{SVG}title")]


def test_hostile_names_are_well_formed_xml_and_shown() -> None:
    diagram = hostile_diagram()
    root = read(diagram)
    keys = [found.get("data-key") for found in root.iter(f"{SVG}g") if found.get("class", "").startswith("baton-node")]

    assert keys == [displayable(node.key) for node in diagram.nodes]
    assert {box.label for box in laid_out(diagram).nodes} <= set(texts(root))


@pytest.mark.parametrize("has_style", [True, False])
def test_nothing_in_a_picture_can_run_or_load_anything(has_style: bool) -> None:
    """No element and no attribute but those that draw: no script, link, image, handler, style
    attribute or id."""
    diagram = hostile_diagram()
    found = list(ET.fromstring(to_svg(diagram, has_style=has_style)).iter())

    assert {element.tag.removeprefix(SVG) for element in found} <= ELEMENTS
    assert {name for element in found for name in element.attrib} <= ATTRIBUTES
    assert all("url(" not in value for element in found for name, value in element.attrib.items() if name != "data-key")


def test_random_pictures_are_well_formed() -> None:
    for seed in range(20):
        diagram = drawn_diagram(random.Random(seed))
        read(diagram)


def test_a_picture_says_what_it_is_to_those_who_cannot_see_it() -> None:
    nodes = (Node("a", "a", state="completed"), Node("b", "b", state="discarded"), Node("c", "c", state="completed"))
    root = read(Diagram(nodes, (Edge("a", "b"),), title="nightly"))

    assert root.get("role") == "img"
    assert [element.tag for element in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == "nightly"
    assert root[1].text == "3 steps, 1 dependency: 2 completed, 1 discarded"


def test_a_long_name_is_shortened_and_whole_in_its_tooltip() -> None:
    name = "load_" * 40
    root = read(Diagram((Node("a", name, "worker", "executing", "map", counts={"completed": 1_200}),)))

    assert name not in texts(root)
    assert f"{name}, worker, map, executing, 1,200 completed" in tooltips(root)


def test_the_legend_has_the_states_that_are_there_and_no_others() -> None:
    nodes = (
        Node("a", "a", state="completed"),
        Node("m", "m", state="executing", counts={"discarded": 2, "skipped": 0}),
    )
    shown = set(texts(read(Diagram(nodes))))

    assert shown & {*STATES} == {"completed", "executing", "discarded"}


def test_the_legend_explains_kinds_of_edges_if_there_are_several() -> None:
    nodes = (Node("a", "a"), Node("b", "b"))

    assert set(texts(read(Diagram(nodes, (Edge("a", "b"),))))) == {"a", "b"}
    assert set(texts(read(Diagram(nodes, (Edge("a", "b", "observed"),))))) == {"a", "b", "observed"}


def test_every_text_says_how_wide_it_was_measured() -> None:
    """So a viewer that has another font squeezes the text into its box."""
    for found in read(drawn_diagram(random.Random(2))).iter(f"{SVG}text"):
        assert float(found.get("textLength", "0")) >= 0
        assert found.get("lengthAdjust") == "spacingAndGlyphs"


def test_texts_fit_into_their_boxes() -> None:
    for seed in range(10):
        diagram = drawn_diagram(random.Random(seed))
        boxes = {box.key: box for box in (*laid_out(diagram).nodes, *laid_out(diagram).groups)}
        for found in read(diagram).iter(f"{SVG}g"):
            key = found.get("data-key")
            if key is not None:
                for text in found.iter(f"{SVG}text"):
                    assert float(text.attrib["x"]) + float(text.attrib["textLength"]) <= boxes[key].width, seed


def test_edges_that_arrive_at_one_place_share_an_arrow() -> None:
    nodes = tuple([Node(key, key) for key in ("a", "b", "c", "z")])
    root = read(Diagram(nodes, tuple([Edge(key, "z") for key in "abc"])))
    arrows = [found for found in root.iter(f"{SVG}path") if found.get("class") == "baton-arrows"]

    assert arrows[0].attrib["d"].count("z") == 1


def test_a_bar_shows_one_failure_in_ten_thousand() -> None:
    node = Node("m", "m", state="executing", kind="map", counts={"completed": 9_999, "discarded": 1})
    bars = [found for found in read(Diagram((node,))).iter(f"{SVG}rect") if found.get("height") == "5"]

    assert [found.get("fill") for found in bars] == [LOOKS["discarded"].badge, LOOKS["completed"].badge]
    assert float(bars[0].attrib["width"]) >= 3


def test_no_state_is_distinguished_by_its_colour_alone() -> None:
    assert set(LOOKS) == set(SIGNS) == set(STATES)
    assert len({look.mark for look in LOOKS.values()}) == len(STATES)
    assert len(set(SIGNS.values())) == len(STATES)
    assert len({ICONS[kind] for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("name", [*STATES, "plain"])
def test_text_and_borders_have_enough_contrast(name: str) -> None:
    """WCAG 2 asks for 4.5 between text and its ground, and for 3 between a mark and its ground."""
    look = {**LOOKS, "plain": PLAIN}[name]
    for scheme, shades in ((LIGHT, look.light), (DARK, look.dark)):
        assert contrast(scheme.ink, shades.area) >= 4.5
        assert contrast(scheme.muted, shades.area) >= 4.5
        assert contrast(shades.line, scheme.paper) >= 3
        assert contrast(scheme.edge, scheme.paper) >= 3


@pytest.mark.parametrize("state", STATES)
def test_the_mark_of_a_state_stands_out_from_its_disc(state: str) -> None:
    assert contrast(LOOKS[state].ink, LOOKS[state].badge) >= 3


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_dark_page_gets_colours_for_every_class_that_is_drawn() -> None:
    nodes = tuple([Node(state, state, state=state) for state in STATES] + [Node("p", "p", kind="signal")])
    diagram = Diagram(nodes, (Edge("p", "executing", "optional"),), (Node("g", "g"),), "title")
    drawn = {name for found in read(diagram).iter() for name in found.get("class", "").split()}

    styled = set(re.findall(r"\.(baton-[a-z]+)", STYLE))
    assert drawn - styled == {"baton-node", "baton-group", "baton-legend"}


def test_a_page_may_have_the_style_in_its_own_sheet() -> None:
    diagram = Diagram((Node("a", "a"),))

    assert f"<style>{STYLE}</style>" in to_svg(diagram)
    assert "<style>" not in to_svg(diagram, has_style=False)


def test_a_large_picture_is_written_without_recursion() -> None:
    root = read(drawn_dag(random.Random(1), 2_000, 3_000))

    assert len(list(root.iter(f"{SVG}g"))) >= 2_000
