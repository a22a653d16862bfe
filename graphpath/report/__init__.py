"""One self-contained HTML page about a store (extra ``report``). Needs no torch.

write          the page from a store
sections       one module per question: what to ask, what to say, what to show
figures        data frame to SVG
pathway        a pathway drawn layer by layer
page           assembly, with the template and style sheet in ``templates``
"""

from graphpath.report.draw import draw_pathway
from graphpath.report.pixels import ImageSetPixels, ImagesPixels, Pixels
from graphpath.report.write import write_report

__all__ = ["ImageSetPixels", "ImagesPixels", "Pixels", "draw_pathway", "write_report"]
