"""Names that try to break out of the text they are written into."""

from __future__ import annotations

from itertools import pairwise

from baton.core.pictures.diagram import Diagram, Edge, Node

NAMES = [
    "",
    "   ",
    "\"quoted\" and 'quoted'",
    "ends in a backslash \\",
    '\\"',
    "\\N \\G \\l\\n\\",
    "<script>alert(1)</script>",
    "</title></text></svg>",
    "<b>bold</b> <br/> &amp; &lt; &#34; &",
    "]]> <!-- --> <![CDATA[",
    "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]>&a;",
    "%%{init: {'securityLevel': 'loose'}}%%",
    "%% a comment",
    'end"] --> x["',
    "end",
    "subgraph x",
    "style: #quot;x#quot;",
    "classDef x fill:#f00;",
    "click n1 call alert()",
    "---\ntitle: x\n---",
    "`markdown **bold**`",
    "#quot; #35; #amp;",
    "\ufb02\u00b0\u00b035\u00b6\u00df",
    "a\tb\nc\rd\x00e\x07f\x1b[31mg\x7fh\x85i",
    "\u2028line\u2029separators",
    "\u202eright to left\u202c \u2066isolated\u2069 \u200fmark",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\ud800 lone surrogates \udfff",
    "\ufffe\uffff noncharacters",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319a\u0353\u031f\u0315l\u034ago",
    "\u65e5\u672c\u8a9e\u306e\u540d\u524d",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    "x" * 200,
    "\U0001f468\u200d" * 66,
    "{{handlebars}} ${template} {curly} [square] (round) |pipe| >arrow<",
    "url(#a) javascript:alert(1) https://example.org",
    "a:::b:c; d --> e",
    'href="javascript:x" onload=x',
]


def hostile_diagram() -> Diagram:
    """One node and one open group of each name, in a chain; keys, labels and sublabels alike,
    and the title."""
    nodes = [Node(f"{name}\n{index}", name, name, "completed") for index, name in enumerate(NAMES)]
    groups = [Node(f"g {name}\n{index}", name, name, "discarded") for index, name in enumerate(NAMES)]
    inside = [
        Node(f"in {name}\n{index}", name, parent=group.key)
        for index, (name, group) in enumerate(zip(NAMES, groups, strict=True))
    ]
    edges = [Edge(a.key, b.key) for a, b in pairwise(nodes)]
    edges += [Edge(a.key, b.key, "observed") for a, b in zip(nodes, groups, strict=True)]
    return Diagram((*nodes, *inside), tuple(edges), tuple(groups), " ".join(NAMES[:28]))
