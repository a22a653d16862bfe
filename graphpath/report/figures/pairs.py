"""Images beside what was made of them: a card for each, with what the network said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphpath.report import svg

ACROSS, CARD, GAP = 4, 270.0, 16.0
PADDING, SIDE, SPACE = 14.0, 76.0, 7.0
LINE = 16.0


@dataclass(frozen=True)
class Pair:
    """An image, what was done to it, and what it became: three data URIs and what the network said."""

    before: str
    change: str
    after: str
    label: str
    predicted: str
    fooled: bool
    facts: Sequence[str]


def draw_image_pairs(shown: Sequence[Pair]) -> str:
    """A card for each of ``shown``, ``ACROSS`` in a line; a stripe tells those that fooled the network."""
    most = max((len(pair.facts) for pair in shown), default=0)
    height = PADDING + SIDE + 26 + LINE * most + PADDING
    cards = []
    for number, pair in enumerate(shown):
        line, column = divmod(number, ACROSS)
        at = f"translate({column * (CARD + GAP):.0f} {line * (height + GAP):.0f})"
        cards.append(svg.make_element("g", *_draw_card(pair, height), transform=at))
    lines, columns = -(-len(shown) // ACROSS), min(len(shown), ACROSS)
    return svg.make_document(
        columns * (CARD + GAP) - GAP, lines * (height + GAP) - GAP, *cards, label="Images before and after"
    )


def _draw_card(pair: Pair, height: float) -> list[str]:
    verdict, low = f"{pair.label} → {pair.predicted}", PADDING + SIDE
    return [
        svg.make_element("rect", x=0, y=0, width=CARD, height=height, rx=8, class_="maps"),
        svg.make_element(
            "rect",
            x=0,
            y=0,
            width=4,
            height=height,
            rx=2,
            class_="stripe fooled" if pair.fooled else "stripe",
        ),
        *(
            _draw_image(href, words, PADDING + 4 + place * (SIDE + SPACE))
            for place, (href, words) in enumerate(
                [(pair.before, "original"), (pair.change, "change"), (pair.after, "attacked")]
            )
        ),
        svg.make_text(PADDING + 4, low + 22, verdict, "class chosen"),
        *(
            svg.make_text(PADDING + 4, low + 26 + LINE * (order + 0.8), fact, "note")
            for order, fact in enumerate(pair.facts)
        ),
    ]


def _draw_image(href: str, words: str, x: float) -> str:
    """One of the three, on the colour of a panel, as a change is transparent where there is none."""
    place = {"x": x, "y": PADDING, "width": SIDE, "height": SIDE}
    under = svg.make_element("rect", **place, class_="blank")
    return under + svg.make_element("image", svg.make_title(words), href=href, **place, class_="pixels")
