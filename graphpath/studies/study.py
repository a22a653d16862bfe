"""What a study is: claims of a paper, and how the numbers that test them are measured. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from graphpath.studies.conditions import ALL_LAYERS, LEFT_OUT, RANDOM, SEED, TRAINED

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.studies.bench import Bench

Option = int | float | str | bool


@dataclass(frozen=True)
class Claim:
    """One statement of a paper, and the quantity that is larger than ``null`` if it is true.

    It *holds* if the quantity exceeds ``null`` and every control by more than the 95 % interval over seeds,
    in every layer or on the layers' mean. Where a control does as well, the claim says nothing about what
    is controlled for.
    """

    text: str
    quantity: str
    """Which rows of the effects; what is larger speaks for the claim."""
    null: float
    """What it would be without any effect."""
    controls: tuple[str, ...] = ()
    """Conditions that it must exceed."""
    beside: tuple[str, ...] = ()
    """Conditions that are shown beside it and decide nothing."""
    over: Literal["every", "mean"] = "every"
    """Whether it must be so in every layer, each by itself, or on the layers' mean."""
    layers: str = "layers"
    """What the layers of the effects are, where they are no layers."""
    unit: str = ""
    """What the quantity is, in words, for the axis."""


@dataclass(frozen=True)
class PrintedFigure:
    """A figure that a paper or its authors' code prints, and where our figure of the same quantity is."""

    figure: str
    value: float
    where: str
    """Where it is printed, and what it was measured on."""
    table: str
    """Our own: the mean of a column of one of the study's tables."""
    column: str
    rows: Mapping[str, str | int]
    """Of the rows that have these values in these columns."""


@dataclass(frozen=True)
class Measurement:
    """What one unit found.

    ``effects`` has the columns quantity, condition, layer, name, value (:class:`Effects` makes it);
    ``tables`` are any others to keep and draw. The base adds the columns network, seed and part.
    """

    effects: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawing:
    """A figure that a study draws from its tables; ``table`` is the one whose rows the page offers as CSV."""

    title: str
    text: str
    svg: str
    table: str
    half: bool = False


Tables = Mapping[str, "pd.DataFrame"]


def _draw_nothing(tables: Tables) -> Sequence[Drawing]:
    return ()


@dataclass(frozen=True)
class Study:
    """An experiment of a paper, repeatable on other data and networks."""

    name: str
    """``paper/experiment``, as on the command line."""
    title: str
    paper: str
    needs: str
    """What is done and what it takes, in a sentence."""
    claims: tuple[Claim, ...]
    measure: Callable[[Bench], Measurement]
    options: Mapping[str, Option] = field(default_factory=dict)
    """Sample sizes and such, with their defaults."""
    parts: tuple[str, ...] = ("",)
    """Variants that are measured and judged separately."""
    networks: tuple[str, ...] = (TRAINED, RANDOM)
    over: str = SEED
    """What its seeds are: networks (``SEED``), or groups of the images that one network sees (``GROUP``)."""
    categories: bool = False
    """Whether it needs a given network with categories of its classes (``Setting.scheme``)."""
    pairs: bool = False
    """Whether it needs images of two objects, of which one has the label (``Setting.compose_pairs``)."""
    draw: Callable[[Tables], Sequence[Drawing]] = _draw_nothing
    printed: tuple[PrintedFigure, ...] = ()
    """Published figures to stand beside ours."""
    version: int = 1
    """To be raised when ``measure`` changes: units that an older one measured are then measured again."""


class Effects:
    """Collects the rows of ``Measurement.effects``."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    def add(
        self,
        quantity: str,
        condition: str,
        value: float,
        *,
        layer: int = ALL_LAYERS,
        name: str = "all layers",
    ) -> None:
        """One value; NaN where it cannot be measured."""
        row = {"quantity": quantity, "condition": condition, "layer": layer, "name": name}
        self._rows.append({**row, "value": float(value)})

    def layers(
        self, quantity: str, condition: str, values: Mapping[int, float], names: Mapping[int, str]
    ) -> None:
        """A value for each layer."""
        for layer, value in values.items():
            self.add(quantity, condition, value, layer=layer, name=names[layer])

    def leave_out(self, quantity: str, layer: int, name: str) -> None:
        """A layer where the quantity must be what no effect gives: verdicts name it and do without it."""
        self.add(quantity, LEFT_OUT, float("nan"), layer=layer, name=name)

    def frame(self) -> pd.DataFrame:
        """The rows."""
        import pandas as pd

        return pd.DataFrame(self._rows, columns=["quantity", "condition", "layer", "name", "value"])


def make_frame(rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Rows as a table."""
    import pandas as pd

    return pd.DataFrame(list(rows))
