"""``--null`` and what belongs to it: a query's answer with what chance gives beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli.progress import show_bar
from graphpath.cli.shared import replace_parameter
from graphpath.errors import QueryParameterError

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores import Store


@dataclass(frozen=True)
class NullOptions:
    """The null distribution to compare the answer with, if any, and how."""

    null: str | None
    draws: int
    hubs: str | None
    hub_share: float
    correction: str

    def ask_table(
        self, store: Store, name: str, parameters: Mapping[str, str], **limit: float
    ) -> pd.DataFrame:
        """The answer of the query ``name``, with what chance gives where that was asked.

        ``limit`` is the ``timeout`` of a query that is asked once, if one was given.
        """
        if self.null is not None:
            if limit:
                raise QueryParameterError("--timeout is of one query; with --null many are asked.")
            from graphpath.chance import significance

            options: dict[str, Any] = {**parameters, **asdict(self)}
            with show_bar("drawing", "draws") as shown:
                return significance(store, name, progress=shown, **options)
        if self.hubs is not None:
            raise QueryParameterError("--hubs goes with --null degree or --null independent: say which.")
        return store.query(name, **parameters, **limit)


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "null": (
        Annotated[
            str | None,
            typer.Option("--null", help="Show what chance gives: degree (shuffles), or independent (sets)."),
        ],
        None,
    ),
    "draws": (Annotated[int, typer.Option("--draws", min=1, help="Of the null, where it is drawn.")], 200),
    "hubs": (
        Annotated[
            str | None,
            typer.Option("--hubs", help="drop edges at neurons of nearly all categories, or divide them."),
        ],
        None,
    ),
    "hub_share": (
        Annotated[
            float,
            typer.Option(
                "--hub-share", callback=a.check_finite, help="The share of the categories that makes a hub."
            ),
        ],
        0.9,
    ),
    "correction": (
        Annotated[str, typer.Option("--correction", help="From p to q: bh (false discovery rate) or holm.")],
        "bh",
    ),
}

chance_options = replace_parameter("chance", _OPTIONS, NullOptions)
"""Gives a verb that takes ``chance: Chance`` the options of this module in its place."""
