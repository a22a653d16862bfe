"""Concept circuits: do a concept's class pathways name the feature maps that the network needs for it?

A concept is a category of the network's classes, or a user's own folder of example images that is called like
one. Of its images that the network recognises, half of a group show which maps are the concept's. The other
half show what becomes of the concept without them (necessity), and with them alone (sufficiency): those
maps, or all others, of the last few block ends are set to 0 together. At equal numbers of maps a layer, the
maps of the concept's pathway, by the score that leaves them on its edges between maps, stand beside those
that published methods name (:mod:`graphpath.studies.imagenet.map_scores`), the largest activations, the
largest ``|a df/da|``, and maps at random.

Of a removal the concept's probability decides. With a quarter of the maps alone next to nothing is left of
it, whoever chose them; so there the logit does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphpath.data import BaseImages, TensorImages
from graphpath.errors import StudyError
from graphpath.modules.state import evaluating
from graphpath.network import Network, Pass, Site, masked, take_apart
from graphpath.record import Trace
from graphpath.report.captions import name_layer
from graphpath.studies import drawings
from graphpath.studies.bench import Bench
from graphpath.studies.conditions import GROUP, MEASURED, TRAINED
from graphpath.studies.decisions import match_outputs
from graphpath.studies.imagenet.map_scores import (
    Bools,
    Channels,
    Floats,
    find_block_ends,
    follow_back,
    link_forward,
    mark_largest,
    measure_peaks,
    score_activation,
    score_gradient,
)
from graphpath.studies.imagenet.photographs import ASKED
from graphpath.studies.study import Claim, Drawing, Effects, Measurement, Study, Tables, make_frame
from graphpath.tracing.rows import first_neuron

if TYPE_CHECKING:
    import pandas as pd

PATHWAY = "concept pathway"
CROSS_LAYER, GRANULAR = "cross-layer attribution", "granular concept circuit"
ACTIVATION, GRADIENT, CHANCE = "largest activation", "largest |a df/da|", "random maps"
CALLED = {
    ACTIVATION: "the largest activation",
    GRADIENT: "the largest |a df/da| (activation times gradient)",
    CROSS_LAYER: "cross-layer attribution",
    GRANULAR: "granular concept circuits",
}
OTHERS = tuple(CALLED)
REMOVED, KEPT = "removed", "kept alone"
VALUES = ("probability", "recognised", "logit")
"""What is lost: see :func:`read_outcome`."""
LEAST = 2
"""Images of a concept that a group needs: one to find its maps by, one to measure on."""
BATCH = 16

Maps = Mapping[int, Bools]
"""By the number of a layer, which of its maps are chosen: (channels,)."""


@dataclass(frozen=True)
class Concept:
    """A concept: its classes, and of the images at hand those that it is found by and measured on."""

    name: str
    classes: Channels
    learned: Channels
    tested: Channels


@dataclass(frozen=True, eq=False)
class Photographs:
    """All images of any concept, and what the network makes of them; looked at once for all groups.

    ``names`` (N,) are their concepts. ``outputs`` are by layer what :func:`measure_peaks` gives, of the last
    layer the logits: (N, channels). ``classes`` is the category of each class that has one.
    """

    images: BaseImages
    names: npt.NDArray[np.str_]
    outputs: Mapping[int, Floats]
    classes: Mapping[int, str]

    @property
    def logits(self) -> Floats:
        """(N, classes)."""
        return self.outputs[max(self.outputs)]

    def list_classes(self, concept: str) -> Channels:
        """The numbers of a concept's classes."""
        return np.array([label for label, name in self.classes.items() if name == concept], np.int64)

    @cached_property
    def likeliest(self) -> Channels:
        """Of each image, the class of its concept with the largest logit: (N,)."""
        found = [self.list_classes(str(name)) for name in self.names]
        return np.array([own[row[own].argmax()] for own, row in zip(found, self.logits, strict=True)])

    @property
    def recognised(self) -> Bools:
        """Whether an image is predicted as a class of its concept: (N,)."""
        right: Bools = self.logits.argmax(1) == self.likeliest
        return right

    def read(self, positions: Channels, network: Network) -> Tensor:
        """The images at some positions, as the network takes them."""
        return self.images.read(positions).to(network.device, network.dtype)


def measure(bench: Bench) -> Measurement:
    """What becomes of the concepts without the chosen maps and with them alone, by who chose them."""
    with evaluating(bench.model.module):
        network = take_apart(bench.model.module, bench.setting.images().shape)
        sites = find_block_ends(network)[-int(bench.options["layers"]) :]
        photographs = look_at_images(bench, network, sites)
        concepts = choose_concepts(bench, photographs)
        traced = trace_concepts(bench, photographs, concepts)
        pathways = weigh_pathways(bench, network, sites, traced, concepts)
        rows = []
        for done, concept in enumerate(concepts):
            bench.show_progress("concepts", done, len(concepts))
            chosen = choose_maps(bench, network, sites, photographs, concept, pathways[concept.name])
            rows += measure_concept(network, photographs, concept, chosen)
    table, names = make_frame(rows), [name_layer(site.name, site.kind) for site in sites]
    layers = make_frame([{"layer": s.number, "name": n} for s, n in zip(sites, names, strict=True)])
    return Measurement(compare_with_chance(table), {"concepts": table, "layers": layers})


def look_at_images(bench: Bench, network: Network, sites: Sequence[Site]) -> Photographs:
    """All images of any concept, with how much they excite the maps of ``sites`` and with their logits."""
    import pandas as pd

    scheme = bench.setting.scheme
    assert scheme is not None
    given, looked = bench.setting.images(), (*sites, network.sites[-1])
    own = bench.setting.are_categories(bench.model, given)
    names = np.array(given.classes)[given.labels] if own else bench.name_categories(bench.test)
    some = np.flatnonzero(names != "")
    images = (given if own else bench.test).subset(some)

    def look() -> pd.DataFrame:
        parts: dict[int, list[Tensor]] = {site.number: [] for site in looked}
        for start in range(0, len(images), BATCH):
            run = Pass.of(network, images.batch(start, start + BATCH).to(network.device, network.dtype))
            for site in looked:
                parts[site.number].append(measure_peaks(run, site).double().cpu())
            bench.show_progress("looking at images", min(start + BATCH, len(images)), len(images))
        values = {number: torch.cat(found).numpy() for number, found in parts.items()}
        columns = {f"{n}.{c}": one for n, of in values.items() for c, one in enumerate(of.T)}
        return pd.DataFrame(columns)

    table = bench.make_once("peaks", images, [site.number for site in looked], look)
    ends = np.cumsum([0, *(site.shape[0] for site in looked)])
    outputs = {s.number: table.to_numpy()[:, a:b] for s, a, b in zip(looked, ends, ends[1:], strict=False)}
    return Photographs(images, names[some], outputs, match_outputs(bench.model, scheme))


def choose_concepts(bench: Bench, photographs: Photographs) -> list[Concept]:
    """The concepts of which most images are recognised, with this group's images of each.

    Raises StudyError where no concept has enough for every group.
    """
    right = np.flatnonzero(photographs.recognised)
    names, counts = np.unique(photographs.names[right], return_counts=True)
    groups = len(bench.setting.seeds)
    order = np.argsort(-counts, kind="stable")[: int(bench.options["concepts"])]
    enough = [str(names[place]) for place in order if counts[place] >= LEAST * groups]
    if not enough:
        raise StudyError(
            f"{bench.setting.data}: no concept has {LEAST * groups} images that the network recognises, "
            f"{LEAST} for each of {groups} groups: give more images, or fewer groups (--seeds)."
        )
    dealt, most = bench.deal_groups(photographs.names[right]), int(bench.options["images"])
    found = []
    for name in enough:
        mine = right[(photographs.names[right] == name) & (dealt == bench.place)]
        half = min(most, len(mine) // 2)
        classes = photographs.list_classes(name)
        found.append(Concept(name, classes, mine[:half], mine[half : half + most]))
    return found


def trace_concepts(bench: Bench, photographs: Photographs, concepts: Sequence[Concept]) -> Trace:
    """The pathways of the images that the concepts are found by, for the likeliest class of each."""
    images = label_likeliest(bench, photographs, np.concatenate([concept.learned for concept in concepts]))
    return bench.trace(images, target="label", **ASKED)


def weigh_pathways(
    bench: Bench, network: Network, sites: Sequence[Site], traced: Trace, concepts: Sequence[Concept]
) -> dict[str, dict[int, Floats]]:
    """By concept and layer, the mean |score| that leaves each map on the concept's class pathway."""
    scheme = bench.setting.scheme
    assert scheme is not None
    after = [s.number for s in network.sites if network.sources(s) & {site.number for site in sites}]
    edges = bench.ask("categories/class_edges", run=traced.id, scheme=scheme.name, unit="map", layers=after)
    first = first_neuron(network, bench.model.sha256)
    own = {concept.name: edges[edges.category == concept.name] for concept in concepts}
    return {
        name: {site.number: sum_by_map(some, site, first) for site in sites} for name, some in own.items()
    }


def sum_by_map(edges: pd.DataFrame, site: Site, first: int) -> Floats:
    """The weights of edges between maps, summed by their source among the maps of ``site``: (channels,).

    ``first`` is the id of the network's first neuron.
    """
    place = edges.source.to_numpy(np.int64) - first - site.offset
    inside = (place >= 0) & (place < site.size)
    channel = place[inside] // (site.shape[1] * site.shape[2])
    sums: Floats = np.bincount(channel, edges.weight.to_numpy(float)[inside], site.shape[0]).astype(float)
    return sums


def label_likeliest(bench: Bench, photographs: Photographs, positions: Channels) -> TensorImages:
    """Some images, each labelled with the likeliest of its concept's classes."""
    images = photographs.images
    return TensorImages(
        images.read(positions),
        photographs.likeliest[positions],
        dataset=f"{images.dataset}-concepts",
        split=images.split,
        classes=bench.model.classes or (),
        scheme=bench.test.scheme,
    )


def choose_maps(
    bench: Bench,
    network: Network,
    sites: Sequence[Site],
    photographs: Photographs,
    concept: Concept,
    pathway: Mapping[int, Floats],
) -> dict[str, list[Maps]]:
    """The sets of maps by who chose them; several at random."""
    counts = [max(1, round(float(bench.options["share"]) * site.shape[0])) for site in sites]
    pixels = photographs.read(concept.learned, network)
    classes = torch.from_numpy(photographs.likeliest[concept.learned]).to(network.device)
    run = Pass.of(network, pixels)
    # What is measured on is no part of what maps are compared by.
    known = np.setdiff1d(np.arange(len(photographs.names)), concept.tested)
    peaks = [photographs.outputs[site.number][known] for site in sites]
    scores = {
        PATHWAY: pathway,
        CROSS_LAYER: follow_back(run, sites, classes, counts),
        GRANULAR: link_forward(run, sites, peaks, np.searchsorted(known, concept.learned), counts),
        ACTIVATION: score_activation(run, sites),
        GRADIENT: score_gradient(network, pixels, classes, sites),
    }
    found = {name: [_take_largest(one, sites, counts)] for name, one in scores.items()}
    random = bench.random_generator("maps", concept.name)
    drawn = [
        {site.number: random.random(site.shape[0]) for site in sites} for _ in range(bench.options["draws"])
    ]
    return {**found, CHANCE: [_take_largest(one, sites, counts) for one in drawn]}


def _take_largest(scores: Mapping[int, Floats], sites: Sequence[Site], counts: Sequence[int]) -> Maps:
    pairs = zip(sites, counts, strict=True)
    return {site.number: mark_largest(scores[site.number], count) for site, count in pairs}


def measure_concept(
    network: Network, photographs: Photographs, concept: Concept, chosen: Mapping[str, Sequence[Maps]]
) -> list[dict[str, object]]:
    """A row for each way of choosing and each mode: what is lost of the concept, the mean over images.

    Of its probability, of the share of images seen as it, and of the logit of their likeliest class; the mean
    over the sets of a name.
    """
    pixels = photographs.read(concept.tested, network)
    own = photographs.likeliest[concept.tested]
    whole = read_outcome(masked(network, pixels, {}), concept.classes, own)
    rows: list[dict[str, object]] = []
    for name, sets in chosen.items():
        for mode in (REMOVED, KEPT):
            with torch.no_grad():
                runs = [masked(network, pixels, make_factors(network, one, mode)) for one in sets]
            lost = np.mean([whole - read_outcome(run, concept.classes, own) for run in runs], axis=0)
            values = dict(zip(VALUES, map(float, lost), strict=True))
            rows.append({"concept": concept.name, "maps": name, "mode": mode, **values, "images": len(own)})
    return rows


def make_factors(network: Network, maps: Maps, mode: str) -> dict[int, Tensor]:
    """What the maps of each layer are multiplied by: (1, channels, 1, 1)."""
    factors = {number: one if mode == KEPT else ~one for number, one in maps.items()}
    return {n: torch.from_numpy(one)[None, :, None, None].to(network.device) for n, one in factors.items()}


def read_outcome(logits: Tensor, classes: Channels, own: Channels) -> Floats:
    """Means over images: the concept's probability, the share seen as it, the logit of each image's class."""
    values = logits.detach().double().cpu()
    probable = values.softmax(1)[:, torch.from_numpy(classes)].sum(1)
    seen = np.isin(values.argmax(1).numpy(), classes)
    logit = values.gather(1, torch.from_numpy(own)[:, None])
    return np.array([float(probable.mean()), float(seen.mean()), float(logit.mean())])


def compare_with_chance(table: pd.DataFrame) -> pd.DataFrame:
    """The effects: how much more is lost than without random maps, and less than with random ones alone.

    Means over concepts, by who chose the maps.
    """
    found = Effects()
    for mode, sign in ((REMOVED, 1), (KEPT, -1)):
        some = table[table["mode"] == mode].groupby("maps")[list(VALUES)].mean()
        leads = sign * (some - some.loc[CHANCE])
        for name in (PATHWAY, *OTHERS):
            condition = MEASURED if name == PATHWAY else name
            for value, lead in zip(VALUES, leads.loc[name].to_numpy(float), strict=True):
                found.add(f"{value}, {mode}", condition, lead)
    return found.frame()


def draw(tables: Tables) -> list[Drawing]:
    """What is lost of each concept, by who chose the maps."""
    table = tables["concepts"]
    text = "The mean over concepts and groups of what the concept's probability loses."
    return [
        Drawing(
            f"Probability lost, maps {mode}",
            text,
            drawings.make_points(table[table["mode"] == mode], "maps", "probability", null=0.0),
            "concepts",
            half=True,
        )
        for mode in (REMOVED, KEPT)
    ]


def _make_claims() -> list[Claim]:
    found = []
    for mode, value, words in (
        (
            REMOVED,
            "probability",
            "Without the maps of a concept's pathway its probability falls more than without",
        ),
        (KEPT, "logit", "With them alone its logit falls less than with"),
    ):
        quantity, unit = f"{value}, {mode}", f"{value}, beyond that of random maps"
        found.append(Claim(f"{words} random ones", quantity, 0.0, beside=OTHERS, unit=unit))
        for other, called in CALLED.items():
            found.append(Claim(f"{words} those of {called}", quantity, 0.0, controls=(other,), unit=unit))
    return found


STUDY = Study(
    name="imagenet/circuits",
    title="Concept circuits: which maps a concept needs, and which it can do with",
    paper=(
        'beside Rajaram et al. 2024, "Automatic Discovery of Visual Circuits", and Kwon et al. 2025, '
        '"Granular Concept Circuits"'
    ),
    needs=(
        "Traces some images of each concept. Takes the maps that its class pathway, published methods and "
        "controls name out of the running network, or all others, on other images."
    ),
    claims=tuple(_make_claims()),
    measure=measure,
    options={
        "concepts": 4,
        "images": 6,
        "layers": 3,
        "share": 0.25,
        "draws": 5,
    },
    networks=(TRAINED,),
    over=GROUP,
    categories=True,
    draw=draw,
)
