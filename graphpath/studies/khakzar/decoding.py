"""Pathway decoding: the picture that the critical neurons of an image would most like to see.

The predicted class's logit is maximised over pixels in [0, 1], starting from grey. The network keeps only the
neurons selected of the image (at sparsity .98, as published), and its mask is frozen. The pictures are there
to be looked at. What is counted is *likeness*: the correlation of a picture with its own image, less its mean
correlation with images of other classes. The whole network gives one picture a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from graphpath.attribution.pathway import mask_kept_neurons
from graphpath.data import BaseImages
from graphpath.report import svg
from graphpath.report.pictures import encode_image
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import MEASURED, RANDOM, TRAINED
from graphpath.studies.khakzar import PAPER, PATHWAYS, RANDOM_NEURONS
from graphpath.studies.khakzar.linearity import METHODS, masked_outputs
from graphpath.studies.khakzar.saliency import Floats, read_all
from graphpath.studies.khakzar.selections import iterate_selections
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame
from graphpath.tracing.batch import Batch

if TYPE_CHECKING:
    import pandas as pd

WHOLE = "whole network"
ORIGINAL = "image"
RATE = 0.1
ROUGH = 0.05
"""What a unit of difference between neighbouring pixels costs, over the logit's size at the start."""
SHOWN, SIDE, GAP, MARGIN = 12, 64, 6, 120


def measure(bench: Bench) -> Measurement:
    """Pictures of every image by the pathway, by random neurons and by the whole network."""
    images = bench.images(bench.options["images"])
    pixels, labels = read_all(images), bench.predict(images)
    rows = [_draw_row(number, ORIGINAL, picture) for number, picture in enumerate(pixels[:SHOWN])]
    found, mean = Effects(), {}
    for name in (bench.part, RANDOM_NEURONS, WHOLE):
        made = decode_images(bench, images, name)
        rows += [_draw_row(number, name, picture) for number, picture in enumerate(made[:SHOWN])]
        mean[name] = float(own_correlation(_flatten(made), _flatten(pixels), labels).mean())
        found.add("likeness", MEASURED if name == bench.part else name, mean[name])
    return Measurement(found.frame(), {"pictures": make_frame(rows)})


def decode_images(bench: Bench, images: BaseImages, name: str) -> Tensor:
    """What is decoded of each image: (N, C, H, W)."""
    method, options = METHODS["neuron_mct" if name == WHOLE else name]
    sparsity = float(bench.options["sparsity"])
    bench.asked.append(f"graphpath.tracing {method} sparsity={sparsity}")
    made = []
    for batch, selection in iterate_selections(
        bench.model, images, method, bench.seed, bench.setting.device, sparsity=sparsity, **options
    ):
        mask = mask_kept_neurons(batch, selection)
        mask = torch.ones_like(mask) if name == WHOLE else mask
        made.append(decode(batch, mask, int(bench.options["steps"])))
    return torch.cat(made)


def decode(batch: Batch, mask: Tensor, steps: int) -> Tensor:
    """The pixels in [0, 1] that maximise f of the masked network, smooth ones before rough: (N, C, H, W)."""
    factors = mask.to(batch.images.dtype)
    with torch.enable_grad():
        free = torch.zeros_like(batch.images).requires_grad_(True)
        ascent = torch.optim.Adam([free], lr=RATE)
        for _ in range(steps):
            image = free.sigmoid()
            f = masked_outputs(batch, image, factors)
            (slope,) = torch.autograd.grad((ROUGH * total_variation(image) - f).sum(), free)
            free.grad = slope
            ascent.step()
    return free.detach().sigmoid().cpu()


def total_variation(images: Tensor) -> Tensor:
    """The sum of the absolute differences of neighbouring pixels: (N,)."""
    down, right = images.diff(dim=2).abs(), images.diff(dim=3).abs()
    return down.flatten(1).sum(1) + right.flatten(1).sum(1)


def own_correlation(made: Floats, images: Floats, labels: np.ndarray) -> Floats:
    """Each picture's correlation with its own image, less the mean of those with images of other classes.

    ``made`` and ``images`` (N, P), ``labels`` (N,); a picture of one colour correlates with none.
    """
    left, right = (values - values.mean(1, keepdims=True) for values in (made, images))
    length = np.sqrt((left**2).sum(1)[:, None] * (right**2).sum(1)[None])
    alike = np.divide(left @ right.T, length, out=np.zeros((len(left), len(right))), where=length > 1e-9)
    other = labels[:, None] != labels[None]
    result: Floats = np.diag(alike) - (alike * other).sum(1) / np.maximum(other.sum(1), 1)
    return result


def draw(tables: Tables) -> list[Drawing]:
    """The first seed's pictures: a row for each method."""
    table = tables["pictures"]
    own = table[(table.network == TRAINED) & (table.seed == table.seed.min())]
    text = (
        "The pixels that maximise the class's logit in what is left of the network, below the images whose "
        "neurons were selected; of the first seed's network."
    )
    return [
        Drawing(f"Decoded from pathways, {part}", text, draw_grid(some), "pictures")
        for part, some in own.groupby("part", sort=False)
    ]


def draw_grid(table: pd.DataFrame) -> str:
    """The pictures of a table (image, method, picture) as SVG."""
    parts, methods = [], list(dict.fromkeys(table.method))
    for line, method in enumerate(methods):
        y = line * (SIDE + GAP)
        parts.append(svg.make_text(0, y + SIDE / 2, method))
        for number, picture in enumerate(table[table.method == method].picture):
            x = MARGIN + number * (SIDE + GAP)
            style = "image-rendering:pixelated"
            parts.append(
                svg.make_element("image", x=x, y=y, width=SIDE, height=SIDE, href=picture, style=style)
            )
    count = int(table.image.max()) + 1
    width, height = MARGIN + count * (SIDE + GAP), len(methods) * (SIDE + GAP)
    return svg.make_document(width, height, *parts, label="Pictures decoded from pathways")


def _draw_row(number: int, method: str, picture: Tensor) -> dict[str, object]:
    return {"image": number, "method": method, "picture": encode_image(picture.float().numpy())}


def _flatten(images: Tensor) -> Floats:
    found: Floats = images.flatten(1).double().numpy()
    return found


STUDY = Study(
    name="khakzar/decoding",
    title="Pictures decoded from critical pathways",
    paper=PAPER,
    needs="Maximises a class's logit over pixels in the network of an image's critical neurons.",
    claims=(
        Claim(
            "What is decoded from an image's critical neurons looks like the image, more than what random "
            "neurons give",
            quantity="likeness",
            null=0.0,
            controls=(RANDOM_NEURONS, RANDOM),
            unit="correlation with the image, less that with other classes' images",
        ),
        Claim(
            "It looks more like the image than what the whole network would like to see",
            quantity="likeness",
            null=0.0,
            controls=(WHOLE,),
            unit="correlation with the image, less that with other classes' images",
        ),
    ),
    measure=measure,
    options={"images": 40, "steps": 150, "sparsity": 0.98},
    parts=PATHWAYS,
    draw=draw,
)
