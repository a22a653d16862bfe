"""The demo's work, step by step. A step that is finished is not done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from graphpath.demo.directory import DemoPaths
from graphpath.demo.output import DemoOutput

if TYPE_CHECKING:
    from graphpath.data.base import BaseImages
    from graphpath.models import LoadedModel
    from graphpath.record import Trace
    from graphpath.stores.base import Store

IMAGES = 100
"""Test images traced: ten of each class."""
EPSILON = 0.15


@contextmanager
def one_thread() -> Iterator[None]:
    """torch in one thread: faster for a network this small, and its sums do not depend on the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train_model(paths: DemoPaths, seed: int, output: DemoOutput) -> LoadedModel:
    """A small CNN on the bundled digits."""
    from graphpath.data import open_images
    from graphpath.models import evaluate, load_model, train

    testing = open_images("digits", split="test")
    with output.begin_step("Training a small CNN on scikit-learn's digits", "images") as count:
        if paths.model.is_file():
            model = load_model(paths.model)
            output.end_step(
                f"taken from {paths.model}: {evaluate(model.module, testing):.1%} right on {len(testing)} "
                "test images"
            )
            return model
        training = open_images("digits", split="train")
        made = train("cnn", training, testing, seed=seed, out=paths.model, progress=count)
    output.end_step(f"on {len(training):,} images; {made.accuracy:.1%} right on {len(testing)} test images")
    return load_model(paths.model)


def attack_images(
    paths: DemoPaths, model: LoadedModel, seed: int, output: DemoOutput
) -> tuple[BaseImages, BaseImages]:
    """Test images of all ten classes, and what PGD makes of them; both are kept as image sets."""
    from graphpath.attacks import attack, success_rate
    from graphpath.data import open_images

    images = open_images("digits", split="test", limit=IMAGES, seed=seed)
    with output.begin_step(f"Attacking {len(images)} test images with PGD", "images") as count:
        _keep_images(images, paths)
        made = attack(model, images, "pgd", EPSILON, out=paths.adversarials, seed=seed, progress=count)
    output.end_step(
        f"no pixel changed by more than {EPSILON}; {success_rate(made):.0%} are now classified otherwise"
    )
    return open_images(str(paths.originals)), open_images(str(paths.adversarials))


def _keep_images(images: BaseImages, paths: DemoPaths) -> None:
    """The originals as an image set, so that a report has their pixels without torch."""
    from graphpath.data.rows import build_categories
    from graphpath.record.imageset import ImagePart, is_image_set, write_image_set

    if is_image_set(paths.originals):
        return
    part = ImagePart(images.rows(), images.batch(0, len(images)).numpy())
    paths.originals.parent.mkdir(parents=True, exist_ok=True)
    write_image_set(paths.originals, [part], build_categories(images.scheme, images.classes))


def trace_images(
    paths: DemoPaths, model: LoadedModel, images: tuple[BaseImages, BaseImages], seed: int, output: DemoOutput
) -> list[Trace]:
    """The effective paths of the original and the adversarial images."""
    from graphpath.tracing import trace

    made = []
    for kind, some, out in zip(("original", "adversarial"), images, paths.traces, strict=True):
        with output.begin_step(f"Tracing the {kind} images (effective path)", "images") as count:
            made.append(trace(model, some, method="effective_path", seed=seed, out=out, progress=count))
        counts = made[-1].counts
        output.end_step(
            f"{counts['pathways']} pathways, {counts['edges']:,} edges added up, "
            f"{counts['routes']:,} largest routes"
        )
    return made


def load_traces(paths: DemoPaths, traces: list[Trace], output: DemoOutput) -> Store:
    """Both traces in one embedded graph store, opened."""
    from graphpath.stores import open_store

    store = open_store(str(paths.store))
    with output.begin_step("Loading both into an embedded graph database", "steps") as count:
        reports = [store.load(one, progress=count) for one in traces]
    if all(report.loaded for report in reports):
        rows = sum(sum(report.counts.values()) for report in reports)
        output.end_step(f"{rows:,} nodes and relationships in {paths.store}")
    else:
        output.end_step(f"{paths.store} holds them")
    return store
