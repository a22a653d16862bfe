"""Just enough SVG: elements as text, escaped, numbers short. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from graphpath.report.captions import short


def element(name: str, *children: str, **attributes: object) -> str:
    """``<name ...>children</name>``; ``class_`` is class, underscores are hyphens, None is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(children)
    return f"<{name}{written}>{inner}</{name}>" if inner else f"<{name}{written}/>"


def text(x: float, y: float, words: object, class_: str = "", **attributes: object) -> str:
    """A line of text; ``words`` is escaped."""
    return element("text", escape(str(words)), x=x, y=y, class_=class_ or None, **attributes)


def title(words: str) -> str:
    """What a browser shows when the pointer rests on the parent."""
    return element("title", escape(words))


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Iterable[tuple[float, float]], class_: str, *children: str) -> str:
    """Connected straight lines."""
    return element(
        "polyline", *children, points=" ".join(f"{short(x)},{short(y)}" for x, y in points), class_=class_
    )


def document(width: float, height: float, *children: str, label: str, class_: str = "figure") -> str:
    """The whole picture; it shrinks to its place and never grows beyond its size."""
    return element(
        "svg",
        title(label),
        *children,
        viewBox=f"0 0 {short(width)} {short(height)}",
        width=width,
        height=height,
        class_=class_,
        role="img",
    )


def _value(value: object) -> str:
    return short(value) if isinstance(value, float) else escape(str(value))
