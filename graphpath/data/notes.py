"""What was met in images and should be known: said once a kind, with how many and one of them."""

from __future__ import annotations


class Notes:
    """Kinds of things met, each with the images that it was met in. Repeated reading counts once."""

    def __init__(self) -> None:
        self._met: dict[str, dict[str, None]] = {}

    def add(self, what: str, name: str) -> None:
        """``what`` names the kind, in the plural: "images with transparency"."""
        self._met.setdefault(what, {})[name] = None

    def sentences(self) -> tuple[str, ...]:
        """One a kind, in the order in which they were first met."""
        return tuple(_format_note(what, list(names)) for what, names in self._met.items())


def _format_note(what: str, names: list[str]) -> str:
    return f"{what}: {names[0]}" if len(names) == 1 else f"{what}: {len(names):,}, such as {names[0]}"
