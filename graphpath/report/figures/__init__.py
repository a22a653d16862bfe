"""Figures: each function takes a data frame and returns SVG."""

from graphpath.report.figures.bars import bars, stacked
from graphpath.report.figures.curves import Curve, Point, curves, forest
from graphpath.report.figures.heatmap import heatmaps
from graphpath.report.figures.likeness import likeness
from graphpath.report.figures.pairs import Pair, image_pairs
from graphpath.report.figures.usage import usage

__all__ = [
    "Curve",
    "Pair",
    "Point",
    "bars",
    "curves",
    "forest",
    "heatmaps",
    "image_pairs",
    "likeness",
    "stacked",
    "usage",
]
