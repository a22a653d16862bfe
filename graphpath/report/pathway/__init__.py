"""A pathway as a picture: the image, then each layer's feature maps, with neurons and the edges between."""

from graphpath.report.pathway.drawing import draw_svg, mark_edge_changes, mark_neuron_changes, mark_signs
from graphpath.report.pathway.layout import PathwayLayout, lay_out

__all__ = ["PathwayLayout", "draw_svg", "lay_out", "mark_edge_changes", "mark_neuron_changes", "mark_signs"]
