"""Just enough SVG: elements as text, escaped, numbers short. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from graphpath.report.captions import fmt


def make_element(name: str, *children: str, **attributes: object) -> str:
    """``<name ...>children</name>``; ``class_`` is class, underscores are hyphens, None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_format_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def make_text(x: float, y: float, words: object, class_: str = "", **attributes: object) -> str:
    """A line of text; ``words`` is escaped."""
    return make_element("text", escape(str(words)), x=x, y=y, class_=class_ or None, **attributes)


def make_title(words: str) -> str:
    """What a browser shows when the pointer rests on the parent."""
    return make_element("title", escape(words))


def make_line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return make_element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def make_polyline(points: Iterable[tuple[float, float]], class_: str, *children: str) -> str:
    """Connected straight lines."""
    return make_element(
        "polyline",
        *children,
        points=" ".join(f"{fmt(x)},{fmt(y)}" for x, y in points),
        class_=class_,
    )


def make_document(width: float, height: float, *children: str, label: str, class_: str = "figure") -> str:
    """The whole picture; it shrinks to its place and never grows beyond its size."""
    return make_element(
        "svg",
        make_title(label),
        *children,
        viewBox=f"0 0 {fmt(width)} {fmt(height)}",
        width=width,
        height=height,
        class_=class_,
        role="img",
    )


def _format_value(value: object) -> str:
    return fmt(value) if isinstance(value, float) else escape(str(value))
