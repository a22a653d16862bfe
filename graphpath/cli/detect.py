"""``graphpath detect``: attacked images, recognised by their pathways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphpath.cli import arguments as a
from graphpath.cli.failures import guard
from graphpath.cli.output import Output, output_options
from graphpath.cli.progress import show_bar
from graphpath.cli.say import say
from graphpath.cli.work import TracingInput, describe_input, work_options

if TYPE_CHECKING:
    from graphpath.detect import Detector, Explanation
    from graphpath.record import Trace
    from graphpath.stores.base import Store

INTERRUPTED = "nothing was changed"
app = typer.Typer(
    name="detect",
    help="Recognise attacked images by their pathways: fit a detector on a store, score new images.",
    no_args_is_help=True,
)

REPORT = ["trained_on", "tested_on", "attacked", "clean", "auc", "low", "high", "softmax", "than_softmax"]
"""What a table shows of the report; the other formats have every column."""
VERDICTS = ["sample", "position", "predicted", "second", "score", "attacked", "layer_name", "outside"]


@output_options
def fit(
    store: a.StoreUri,
    out: Annotated[Path, typer.Option("--out", help="The detector to write, a JSON file.")],
    database: a.Database = None,
    kind: Annotated[
        str, typer.Option("--kind", help="linear, hinge, forest, boosted or adaptive.")
    ] = "linear",
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="The run whose class pathways to use, as --run takes it [default: with most originals]",
        ),
    ] = None,
    attack: Annotated[
        list[str] | None, typer.Option("--attack", help="Fit on this one only, such as bim or 'bim 0.3'.")
    ] = None,
    share: Annotated[
        float, typer.Option("--share", callback=a.check_finite, help="Of the originals, to fit on.")
    ] = 0.5,
    false_alarms: Annotated[
        float,
        typer.Option(
            "--false-alarms",
            callback=a.check_finite,
            help="Clean images that may be taken for attacked, a share.",
        ),
    ] = 0.05,
    scheme: Annotated[
        str,
        typer.Option("--scheme", help="Of the categories whose class pathways to use: graphpath categories."),
    ] = "classes",
    unit: Annotated[
        str, typer.Option("--unit", help="Compare edges between neurons, or feature maps: neuron or map.")
    ] = "neuron",
    seed: a.Seed = 0,
    *,
    output: Output,
) -> None:
    """Fit a detector on a store of clean and attacked images, and show what it is worth on the others."""
    from graphpath.detect import fit_detector

    with a.open_store(store, database) as kept:
        detector = fit_detector(
            kept,
            kind,
            reference=a.find_run(kept, reference),
            attacks=attack or (),
            share=share,
            false_alarms=false_alarms,
            scheme=scheme,
            unit=unit,
            seed=seed,
        )
    detector.save(out)
    output.show(detector.report, columns=REPORT)
    say(_describe_worth(out, detector), err=output.machine)


def _describe_worth(out: Path, detector: Detector) -> str:
    """What the detector is worth, in words: also where it is not worth more than the baseline."""
    own = detector.report[detector.report.caught.notna()]
    said = {
        verdict: ", ".join(own.tested_on[own.than_softmax == verdict])
        for verdict in ("better", "worse", "undecided")
    }
    words = {
        "better": "beats max-softmax on",
        "worse": "does worse than max-softmax on",
        "undecided": "cannot be distinguished from max-softmax on",
    }
    verdicts = "; ".join(f"{words[name]} {attacks}" for name, attacks in said.items() if attacks)
    alarms = detector.notes["false_alarms"]["tested"]
    caught = ", ".join(
        f"{share:.0%} of {attack}" for attack, share in zip(own.tested_on, own.caught, strict=True)
    )
    return (
        f"{out}: the {detector.kind} detector {verdicts}. At its threshold it finds {caught}, and takes "
        f"{alarms:.1%} of clean images for attacked."
    )


@output_options
@work_options
def score(
    work: TracingInput,
    detector: Annotated[Path, typer.Option("--detector", help="What graphpath detect fit wrote.")],
    store: a.StoreUri,
    database: a.Database = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the images' trace in this directory.")
    ] = None,
    explain: Annotated[
        int | None,
        typer.Option("--explain", metavar="SAMPLE", help="Say of this sample why, by layer and edge."),
    ] = None,
    *,
    output: Output,
) -> None:
    """Trace DATA's images as the detector's were, and say of each whether it was attacked."""
    from graphpath.detect import Detector

    known = Detector.load(detector)
    with a.open_store(store, database) as kept, _choose_directory(out) as place:
        trace, words = _trace_images(work, known, kept, place)
        if explain is not None:
            _show(known.explain(kept, trace, explain), output)
            return
        verdicts = known.score(kept, trace)
    for line in words:
        say(line, err=True)
    output.show(verdicts, columns=VERDICTS)
    say(
        f"{verdicts.attacked.sum()} of {len(verdicts)} images are taken for attacked (score above "
        f"{known.threshold:.3g}).",
        err=output.machine,
    )


@contextmanager
def _choose_directory(out: Path | None) -> Iterator[Path]:
    """``out``, or a directory that goes when the block ends."""
    if out is not None:
        yield out
        return
    with TemporaryDirectory() as folder:
        yield Path(folder) / "trace"


def _trace_images(
    work: TracingInput, detector: Detector, store: Store, out: Path
) -> tuple[Trace, tuple[str, ...]]:
    """DATA's images traced as those that the detector was fitted on, each for its own prediction."""
    from graphpath.tracing import trace

    asked = detector.traced
    loaded, images = work.open(lambda model: asked.check_model(model.name, model.sha256))
    options: dict[str, Any] = {
        name: value for name, value in asked.parameters.items() if name not in ("target", "routes")
    }
    with show_bar("tracing") as shown:
        made = trace(
            loaded,
            images,
            method=asked.method,
            target="own",
            routes=0,
            seed=work.seed,
            out=out,
            batch=work.batch,
            progress=shown,
            fitted_on=_find_fitted_trace(detector, store),
            **options,
        )
    return made, describe_input(loaded, images)


def _find_fitted_trace(detector: Detector, store: Store) -> str | None:
    """The trace whose images the method learned from, if it is one that learns."""
    from graphpath.record import Trace

    runs = store.runs()
    paths = runs[runs.run == detector.reference].path.tolist()
    if not paths or not Path(paths[0]).is_dir():
        return None
    return str(paths[0]) if Trace(paths[0]).run.get("fitted") else None


def _show(found: Explanation, output: Output) -> None:
    from graphpath.queries.limits import REACHED

    taken = "attacked" if found.attacked else "not attacked"
    say(f"Sample {found.sample} is taken for {taken} (score {found.score:.3g}).", err=output.machine)
    if not output.machine:
        output.show(found.layers)
        say("Edges that the class pathway of its prediction lacks, strongest first:")
    output.show(found.edges)
    if found.edges.attrs[REACHED]:
        say(f"These are the {len(found.edges)} strongest; there are more.", err=True)


for verb in (fit, score):
    app.command(verb.__name__)(guard(verb))
