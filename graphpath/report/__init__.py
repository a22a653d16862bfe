"""One self-contained HTML page about a store (extra ``report``). Needs no torch.

write          the page from a store
sections       one module per question: what to ask, what to say, what to show
figures        data frame to SVG
clustering     which classes are alike, and in which order they are shown
pathway        a pathway drawn layer by layer
page           assembly, with the template, style sheets and script in ``templates``
standalone     a drawing as a document of its own
"""

from graphpath.report.draw import draw_pathway
from graphpath.report.pixels import ImageSetPixels, ImagesPixels, Pixels
from graphpath.report.write import write_report

__all__ = ["ImageSetPixels", "ImagesPixels", "Pixels", "draw_pathway", "write_report"]
