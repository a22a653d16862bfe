"""Where a figure's numbers come from: the named query, its parameters, and the rows themselves."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphpath.queries import find

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Source:
    """One named query that a figure rests on. ``frame`` is what it answered."""

    query: str
    parameters: Mapping[str, object]
    frame: pd.DataFrame
    store: str
    note: str = ""
    """Which of the answer's rows ``frame`` has, if not all."""

    @property
    def title(self) -> str:
        """The first line of the query file."""
        return find(self.query).title

    @property
    def command(self) -> str:
        """The command line that gives the same rows."""
        return format_command(self.query, self.store, self.parameters)

    @property
    def rows(self) -> int:
        return len(self.frame)

    @property
    def csv(self) -> str:
        """The rows as a data URI."""
        text = self.frame.to_csv(index=False, float_format="%.7g")
        encoded = base64.b64encode(text.encode(errors="backslashreplace")).decode()
        return f"data:text/csv;base64,{encoded}"

    @property
    def file(self) -> str:
        """What the rows are called when saved."""
        return self.query.replace("/", "-") + ".csv"


@dataclass(frozen=True)
class Computed(Source):
    """Rows computed from several answers. ``query`` names the rows, ``calls`` are what gave the answers."""

    what: str = ""
    calls: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.what

    @property
    def command(self) -> str:
        return "\n".join(self.calls)


def describe_figure(title: str, sources: Iterable[Source]) -> str:
    """What a saved figure tells of itself: its title, then a command for each of its sources."""
    return "\n".join([title, *(source.command for source in sources)])


def format_command(query: str, store: str, parameters: Mapping[str, object]) -> str:
    """``graphpath query ...`` with every parameter that was given."""
    words = ["graphpath", "query", query, "--store", store]
    for name, value in parameters.items():
        if value == []:  # the default of every list: all
            continue
        items = value if isinstance(value, list) else [value]
        words += [f"--{name.replace('_', '-')}", ",".join(map(str, items))]
    return shlex.join(words)
