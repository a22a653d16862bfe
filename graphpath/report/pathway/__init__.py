"""A pathway as a picture: the image, then each block's feature maps, and what flows between them.

blocks      which layers are drawn as one
flows       edges summed by feature map, and from block to block
scene       what is drawn of a pathway, whatever its size
layout      where it is drawn, from left to right or from top to bottom
tones       for and against; kept, lost and gained
heat        feature maps as symbols: the image, and the visited neurons over it
ribbons     what flows between blocks of several layers
drawing     the SVG
opened      blocks opened into layers, maps into neurons
picture     all of it for a page
"""

from graphpath.report.pathway.flows import sum_by_map
from graphpath.report.pathway.picture import Photos, Picture, draw_alone, draw_picture
from graphpath.report.pathway.scene import Scene, compose
from graphpath.report.pathway.tones import mark_edge_changes, mark_neuron_changes, mark_signs, split_signs

__all__ = [
    "Photos",
    "Picture",
    "Scene",
    "compose",
    "draw_alone",
    "draw_picture",
    "mark_edge_changes",
    "mark_neuron_changes",
    "mark_signs",
    "split_signs",
    "sum_by_map",
]
