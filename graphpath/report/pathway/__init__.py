"""A pathway as a picture: the image, then each layer's feature maps, with neurons and the edges between."""

from graphpath.report.pathway.drawing import changes, drawing, owners, signs
from graphpath.report.pathway.layout import Layout, lay_out

__all__ = ["Layout", "changes", "drawing", "lay_out", "owners", "signs"]
