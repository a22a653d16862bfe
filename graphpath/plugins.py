"""What other packages register with graphpath, by the entry points of an installed distribution."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final

METHODS: Final = "graphpath.methods"
"""The group of tracing methods: an entry point's name is the method's, its value where the method is."""


def find_registered(group: str) -> dict[str, list[EntryPoint]]:
    """The entry points of ``group`` by name, in order; several where packages clash. Nothing is imported."""
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, find_owner(point))):
        found.setdefault(point.name, []).append(point)
    return found


def find_owner(point: EntryPoint) -> tuple[str, str]:
    """The distribution that registers ``point``: its name and version."""
    if point.dist is None:
        return "an unknown package", ""
    return point.dist.name, point.dist.version


def format_owner(owner: tuple[str, str]) -> str:
    """An owner in words."""
    return " ".join(owner).strip()
