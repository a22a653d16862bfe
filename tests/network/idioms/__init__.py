"""Small modules as ordinary users write them, by family."""

from __future__ import annotations

IDIOMS: dict[str, object] = {}
