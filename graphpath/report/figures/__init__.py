"""Figures: each function takes a data frame and returns SVG."""

from graphpath.report.figures.bars import draw_bars, draw_stacked
from graphpath.report.figures.curves import Curve, Point, draw_curves, draw_forest
from graphpath.report.figures.heatmap import draw_heatmaps
from graphpath.report.figures.likeness import draw_similarity
from graphpath.report.figures.pairs import Pair, draw_image_pairs
from graphpath.report.figures.usage import draw_usage

__all__ = [
    "Curve",
    "Pair",
    "Point",
    "draw_bars",
    "draw_curves",
    "draw_forest",
    "draw_heatmaps",
    "draw_image_pairs",
    "draw_similarity",
    "draw_stacked",
    "draw_usage",
]
