"""What a feature map stands for: the patches of images where it is at its strongest.

which      which feature map is meant: by id, name or title
patches    a neuron's receptive field, cut from its image
examples   the strongest neurons of a map with their patches
sheet      patches as one picture
"""

from graphpath.maps.examples import Examples, examples
from graphpath.maps.sheet import draw_sheet, encode_sheet, write_sheet

__all__ = ["Examples", "draw_sheet", "encode_sheet", "examples", "write_sheet"]
