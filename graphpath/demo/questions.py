"""The three questions: each answered in a sentence, and by the rows of named queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.report.reader import RunReader
from graphpath.report.sections import attacks, classes, routes

if TYPE_CHECKING:
    from graphpath.demo.output import DemoOutput
    from graphpath.report.source import Source


def answer_questions(reader: RunReader, output: DemoOutput) -> None:
    """Ask all three questions, and show the store's answers."""
    output.show_answer(1, "Which pathways do classes share?", classes.describe_answer(reader))
    _show_table(output, reader.ask("categories/shared_edges", run=reader.run, min_categories=8, limit=6))
    _show_table(output, reader.ask("categories/consistency", run=reader.run))
    output.show_answer(2, "Where does an attack divert an image?", attacks.describe_answer(reader))
    _show_table(output, reader.ask("adversarial/pairs", limit=5, runs=reader.comparable_runs))
    _show_table(output, _find_example(reader))
    output.show_answer(3, "How far do the largest pathways overlap?", routes.describe_answer(reader))
    for overlap in routes.ask_overlaps(reader).values():
        _show_table(output, overlap)


def _find_example(reader: RunReader) -> Source:
    """The divergence of one image that fooled the network."""
    pairs = reader.ask("adversarial/pairs", limit=5, runs=reader.comparable_runs).frame
    chosen = pairs.sort_values("fooled", ascending=False, kind="stable").iloc[0]
    return reader.ask(
        "adversarial/divergence",
        original=int(chosen.original),
        derived=int(chosen.derived),
        runs=reader.comparable_runs,
    )


def _show_table(output: DemoOutput, source: Source) -> None:
    output.show_table(source.frame, source.command)
