"""The look of pathways in Neo4j Browser, as GraSS (its style sheets) and as its ``:style`` command.

GraSS chooses by label and type only, not by property (Browser 5.24, GraphStyle.ts: a relationship's selector
is its type, and its width is no template as captions are). A neuron or feature map gets its layer's colour
through a second label, L0, L1 ..., which the Neo4j store gives it. An edge cannot be as wide as its score,
and a score with all its digits is no caption: it shows its rank (support, for classes), and queries return
the strongest.
"""

from __future__ import annotations

import json
from typing import Final

Rules = dict[str, dict[str, str]]

LAYERS: Final = 256
"""Deeper layers have the colour of a neuron without a layer."""

# Neighbours differ clearly, also to colour-blind eyes (after Tol's and Okabe and Ito's schemes); white or
# black text is readable on each.
PALETTE: Final = (
    ("#37474F", "#FFFFFF"),
    ("#0072B2", "#FFFFFF"),
    ("#E69F00", "#000000"),
    ("#009E73", "#FFFFFF"),
    ("#CC79A7", "#000000"),
    ("#56B4E9", "#000000"),
    ("#D55E00", "#FFFFFF"),
    ("#6A51A3", "#FFFFFF"),
    ("#A6D854", "#000000"),
    ("#882255", "#FFFFFF"),
    ("#F0E442", "#000000"),
    ("#9ECAE1", "#000000"),
    ("#8C510A", "#FFFFFF"),
    ("#F4A6C0", "#000000"),
    ("#00686B", "#FFFFFF"),
    ("#BDBDBD", "#000000"),
)

NODES: Final = {
    # label: colour, text, diameter, caption
    "Neuron": ("#90A4AE", "#000000", "50px", "{name}"),
    "FeatureMap": ("#90A4AE", "#000000", "65px", "{name}"),
    "Layer": ("#455A64", "#FFFFFF", "65px", "{name}"),
    "Model": ("#263238", "#FFFFFF", "80px", "{name}"),
    "Run": ("#5D4037", "#FFFFFF", "65px", "{id}"),
    "Sample": ("#FFFFFF", "#000000", "65px", "{dataset} {position} {variant}"),
    "Pathway": ("#B39DDB", "#000000", "65px", "{variant} to {target}"),
    "Route": ("#F8BBD0", "#000000", "50px", "route {rank}"),
    "ClassPathway": ("#FFCC80", "#000000", "65px", "{variant} {samples}"),
    "Category": ("#C62828", "#FFFFFF", "80px", "{name}"),
    "Verdict": ("#2E7D32", "#FFFFFF", "65px", "{decision}"),
}
NOTHING: Final = "{}"
"""A caption that is empty; Browser takes none for the type's name."""

EDGES: Final = {
    # type: colour, width, caption
    "FLOWS_TO": ("#607D8B", "2px", "{rank}"),
    "FLOWS_TO_MAP": ("#607D8B", "3px", "{rank}"),
    "CLASS_FLOWS_TO": ("#EF6C00", "2px", "{support}"),
    "MAP_FLOWS_TO": ("#EF6C00", "3px", "{support}"),
    "VISITS": ("#B39DDB", "1px", NOTHING),
    "SHARES": ("#C62828", "3px", "{shared} shared"),
    "RESEMBLES": ("#7E57C2", "1px", "L{layer} {shared}/{edges}"),
    "STEP": ("#AD1457", "2px", "{position}"),
    "DERIVED_FROM": ("#C62828", "5px", "{attack}"),
    "PREDICTED": ("#C62828", "1px", "{rank}"),
    "IN_CATEGORY": ("#C62828", "1px", NOTHING),
}


def rules(layers: int = LAYERS) -> Rules:
    """Selectors with their properties; later ones override earlier ones."""
    found: Rules = {
        "node": {
            "diameter": "50px",
            "color": "#CFD8DC",
            "border-color": "#90A4AE",
            "border-width": "2px",
            "text-color-internal": "#000000",
            "font-size": "10px",
        },
        "relationship": {
            "color": "#B0BEC5",
            "shaft-width": "1px",
            "font-size": "8px",
            "padding": "3px",
            "text-color-external": "#000000",
            "text-color-internal": "#FFFFFF",
            "caption": "<type>",
        },
    }
    for label, (colour, text, diameter, caption) in NODES.items():
        found[f"node.{label}"] = _node_style(colour, text) | {"diameter": diameter, "caption": caption}
    for name, (colour, width, caption) in EDGES.items():
        found[f"relationship.{name}"] = {"color": colour, "shaft-width": width, "caption": caption}
    for layer in range(layers):
        found[f"node.L{layer}"] = _node_style(*PALETTE[layer % len(PALETTE)])
    return found


def grass() -> str:
    """The style sheet, as Browser imports it by dropping the file on its window."""
    return "\n".join(_format_block(selector, properties) for selector, properties in rules().items())


def connect_command() -> str:
    """What Browser runs when it connects (``browser.post_connect_cmd``): this style, and no added edges.

    With its setting autoComplete, Browser draws every relationship between the nodes of an answer, so those
    of all other pathways too. Commands are separated by semicolons, so the style goes as JSON.
    """
    style = json.dumps(rules(), separators=(",", ":"))
    return f'config {{"autoComplete": false}}; style {style}'


def _node_style(colour: str, text: str) -> dict[str, str]:
    return {"color": colour, "border-color": "#546E7A", "text-color-internal": text}


def _format_block(selector: str, properties: dict[str, str]) -> str:
    lines = [f"  {key}: {_format_value(key, value)};" for key, value in properties.items()]
    return "\n".join((f"{selector} {{", *lines, "}", ""))


def _format_value(key: str, value: str) -> str:
    return f"'{value}'" if key == "caption" else value
