"""``graphpath study``: published experiments repeated, with a verdict on every claim."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli.notes import keep_notes
from graphpath.cli.output import show_table
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.cli.work import OpeningInput, opening_options
from graphpath.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.studies import Setting, Study

SEEDS, GROUPS = 3, 5
"""How many by default: networks that are trained, groups of images."""
INTERRUPTED = "what is finished is kept, and the same command goes on from there"


@opening_options
def command(
    opening: OpeningInput,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="--list shows them all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Run every study.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Show every study with its options.")] = False,
    data: a.Data = "digits",
    root: a.Root = None,
    out: Annotated[Path, typer.Option("--out", help="Where everything is kept.")] = Path("graphpath-studies"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="Networks of your own instead of small ones trained here, one a seed; or a single one, of a "
            "study over groups of images.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            show_default="3, or 5 groups of images",
            help="How many; a verdict needs two or more.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="NAME=VALUE", help="An option of the study, such as images=50."),
    ] = None,
    device: a.Device = "cpu",
    exif: a.Exif = False,
    size: a.Size = None,
    categories: a.Categories = None,
    scheme: a.Scheme = None,
    column: a.CategoryColumn = None,
) -> None:
    """Repeat published experiments: trace, load, ask, and say of every claim whether it holds here."""
    from graphpath.studies import STUDIES, Setting, find

    if listed:
        show_table(_list_studies(STUDIES.values()))
        return
    grouping = a.read_scheme(categories, scheme, column)
    chosen = [find(name) for name in names or []]
    if every:
        chosen = [study for study in STUDIES.values() if grouping is not None or not study.categories]
    if not chosen:
        raise StudyError("Which study? graphpath study --list shows them all, --all runs them.")
    given = tuple(model or ())
    setting = Setting(
        out,
        data,
        root,
        tuple(range(len(given) or SEEDS)),
        given,
        device=device,
        exif=exif,
        opening=opening.read(),
        size=size,
        scheme=grouping,
    )
    _run(
        chosen,
        keep_notes(setting),
        {name: a.parse_value(text) for name, text in a.parse_pairs(option or [], "--option").items()},
        seeds,
    )


def _run(chosen: list[Study], setting: Setting, options: dict[str, Any], seeds: int | None) -> None:
    from graphpath.report.rows import iterate_rows
    from graphpath.studies import run_study, write_summary

    _check(chosen, options)
    chosen_setting = setting
    for study in chosen:
        setting = _choose_seeds(chosen_setting, study, seeds)
        # Of several studies, each takes the options that it has.
        own = options if len(chosen) == 1 else {n: v for n, v in options.items() if n in study.options}
        with show_bar(study.name) as shown:
            result = run_study(study, setting, own, progress=shown)
        say(f"\n{study.name}: {study.title}")
        for one in iterate_rows(result.verdicts):
            part = f" ({one.part})" if one.part else ""
            say(f"  {one.verdict}{part}: {one.claim}\n    {one.why}")
        say(f"  {result.page}")
    write_summary(setting.out)
    say(f"\n{setting.out / 'summary.html'}: every study there")


def _choose_seeds(setting: Setting, study: Study, seeds: int | None) -> Setting:
    """The setting with as many seeds as were asked for, or as ``study`` has by default."""
    groups = GROUPS if study.over != "seed" and len(setting.models) < 2 else None
    count = seeds or groups
    return setting if count is None else replace(setting, seeds=tuple(range(count)))


def _check(chosen: list[Study], options: dict[str, Any]) -> None:
    """Refuses an option that none of several studies has; of a single one, its runner does."""
    for name in options:
        if len(chosen) > 1 and not any(name in study.options for study in chosen):
            raise StudyError(f"--option {name}: none of these {len(chosen)} studies has it; see --list.")


def _list_studies(studies: Any) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "study": study.name,
            "title": study.title,
            "claims": len(study.claims),
            "options": ", ".join(f"{name}={value}" for name, value in study.options.items()),
        }
        for study in studies
    ]
    return pd.DataFrame(rows)
