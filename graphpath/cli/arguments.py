"""Options that several verbs share, and the readers of their values."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli.notes import keep_notes
from graphpath.cli.say import say
from graphpath.errors import DataError, QueryParameterError

if TYPE_CHECKING:
    from graphpath.data.base import BaseImages
    from graphpath.models import LoadedModel
    from graphpath.stores.base import Store
    from graphpath.stores.categories import Scheme as CategoryScheme

Categories = Annotated[
    Path | None,
    typer.Option(
        "--categories",
        metavar="FILE",
        help="CSV that says which class (name, wnid, label or index) is of which category; with --scheme.",
    ),
]
Scheme = Annotated[
    str | None, typer.Option("--scheme", help="What the scheme of these categories is called: coarse, ...")
]
CategoryColumn = Annotated[
    str | None,
    typer.Option(
        "--column",
        help="The column of the file that holds the categories, where it is not called category.",
    ),
]

LARGEST_SEED = (1 << 63) - 1
LARGEST_SIDE = 1 << 14
"""Pixels: more than any network takes."""


def check_finite(value: float | None) -> float | None:
    """The value of an option, if it is a number: callback of those that take one."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number.")
    return value


Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="A torchvision name, timm:NAME, module:NAME or path/to/file.py:NAME of a class, function or "
        "network, with arguments if need be ('nets.py:Net(width=16)'), or a checkpoint of graphpath train.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="A file with a state dict (torch.save, Lightning, safetensors), or the name of torchvision's or "
        "timm's weights on disk.",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="digits, mnist, cifar10, m2nist, an image folder, a tar or zip of one, or an image set.",
    ),
]
Preprocess = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="MEAN/STD",
        help="The same in one: none, or 0.5,0.5,0.5/0.25,0.25,0.25.",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        "--mean",
        metavar="NUMBERS",
        help="With --std, instead of what belongs to the weights: a number a channel, of pixels in [0, 1].",
    ),
]
Std = Annotated[str | None, typer.Option("--std", metavar="NUMBERS", help="As --mean: 0.229,0.224,0.225.")]
Normalization = Annotated[
    str | None,
    typer.Option(
        "--normalize", help="Mean and std by name: imagenet or cifar10; none for pixels as they are."
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes", metavar="FILE", help="The model's class names: a line each, index,wnid,name or JSON."
    ),
]
ModelOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="NAME",
        help="Which of several outputs: its number, key or attribute. Default: the first of classes.",
    ),
]
Download = Annotated[bool, typer.Option("--download", help="Let torchvision fetch what is not on disk.")]
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        help="by-name: where the model names its classes, the images' are found among them by name; "
        "by-position: class 0 of the images is the model's class 0, and so on.",
    ),
]
Root = Annotated[Path | None, typer.Option("--root", help="Where data lie on disk, in torchvision's layout.")]
Split = Annotated[str, typer.Option("--split", help="train or test, where there is a choice.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many images, evenly by class.")]
Size = Annotated[
    int | None, typer.Option("--size", min=1, max=LARGEST_SIDE, help="Bring images to this height and width.")
]
Exif = Annotated[
    bool, typer.Option("--exif", help="Turn images as their EXIF orientation says; torchvision does not.")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps ...")]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=LARGEST_SEED, help="Makes everything drawn at random reproducible."),
]
Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Images at a time.")]
StoreUri = Annotated[
    str,
    typer.Option(
        "--store", help="A path (embedded engine), or neo4j://... or bolt://...", show_default=False
    ),
]
Database = Annotated[str | None, typer.Option("--database", help="The database of a Neo4j server.")]
RunName = Annotated[
    str | None,
    typer.Option(
        "--run", help="The run, where the store holds several: latest, its name, or how its id begins."
    ),
]


def find_run(store: Store, run: str | None, *, unfinished: bool = False) -> str | None:
    """The id of the run that ``run`` means, said on stderr where it was not named whole."""
    if run is None:
        return None
    chosen = store.chosen_run(run, unfinished=unfinished)
    if chosen.note:
        say(chosen.note, err=True)
    return chosen.run


def with_runs(store: Store, parameters: dict[str, Any]) -> dict[str, Any]:
    """A query's ``parameters`` with the ids of the runs that they mean, said as by :func:`find_run`."""
    from graphpath.queries.runner import RUNS

    def found(value: Any) -> Any:
        if isinstance(value, str) and value:
            return ",".join(str(find_run(store, one.strip())) for one in value.split(","))
        return value

    return {name: found(value) if name in RUNS else value for name, value in parameters.items()}


Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries", metavar="DIR", help="A folder of named queries of your own, TOPIC/NAME.cypher."
    ),
]


def open_store(
    uri: str, database: str | None = None, *, existing: bool = True, queries: Path | None = None
) -> Store:
    """The store at ``uri``; with ``existing``, one that is not there yet is refused."""
    from graphpath.errors import StoreUnavailable
    from graphpath.stores import open_store

    embedded = "://" not in uri
    if embedded and database is not None:
        raise StoreUnavailable(f"{uri} is an embedded store, one file; --database is for a Neo4j server.")
    if embedded and existing and not Path(uri).exists():
        raise StoreUnavailable(f"There is no store at {uri}; graphpath load DIR --store {uri} makes one.")
    if embedded:
        return open_store(uri, queries=queries)
    return open_store(uri, database=database, password=_ask_password(uri), queries=queries)


def _ask_password(uri: str) -> str | None:
    """The password that a person at the terminal types; None where nobody is there, or nothing is typed."""
    from graphpath.stores.neo4j import find_password

    if find_password(uri) is not None or not sys.stdin.isatty():
        return None
    typed = typer.prompt(f"Password for {uri}", default="", hide_input=True, show_default=False, err=True)
    return typed or None


def open_images(
    data: str,
    model: LoadedModel | None,
    *,
    root: Path | None,
    split: str,
    limit: int | None,
    seed: int,
    size: int | None = None,
    exif: bool = False,
    download: bool = False,
) -> BaseImages:
    """The images that ``--data`` names, by default at the size that the model was made for.

    When the verb ends, what should be known of those that it read is said on stderr.
    """
    from graphpath.data import open_images

    shape = model.shape if model is not None else None
    side = size if size is not None or shape is None else (shape[1], shape[2])
    channels = None if shape is None else shape[0]
    images = open_images(
        data,
        root=root,
        split=split,
        limit=limit,
        seed=seed,
        size=side,
        channels=channels,
        exif=exif,
        download=download,
    )
    return keep_notes(images)


def parse_pairs(pairs: list[str], option: str) -> dict[str, str]:
    """``["theta=0.5"]`` as ``{"theta": "0.5"}``. Raises QueryParameterError for a text without ``=``."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise QueryParameterError(f"{option} {pair!r}: write {option} NAME=VALUE.")
        found[name.strip().replace("-", "_")] = value
    return found


def parse_value(text: str) -> Any:
    """``text`` as the JSON value that it is (0.5, 3, true, null), else as it stands."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(text: str) -> None:
    """NaN and Infinity, which Python reads as JSON, are none."""
    raise ValueError(text)


def check_fresh(out: Path, resume: bool) -> None:
    """Refuses a directory that holds anything, unless resuming is allowed."""
    if not resume and out.is_dir() and any(out.iterdir()):
        raise DataError(f"{out} is not empty: leave out --no-resume, choose another --out, or delete it.")


def read_scheme(path: Path | None, name: str | None, column: str | None) -> CategoryScheme | None:
    """The scheme of a file of categories, None without one."""
    if path is None:
        if name is not None or column is not None:
            raise DataError("--scheme and --column are of a file of categories: give it with --categories.")
        return None
    if name is None:
        raise DataError("--categories needs --scheme NAME: what queries call this scheme of categories.")
    from graphpath.stores.categories import Scheme

    return Scheme.read(path, name, column)
