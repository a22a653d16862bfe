"""Scores of feature maps for a concept against slow twins, and the study of circuits at tiny size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

import graphpath as gp  # noqa: E402
from graphpath.errors import StudyError  # noqa: E402
from graphpath.models import Opening  # noqa: E402
from graphpath.network import Network, Pass, Site, take_apart  # noqa: E402
from graphpath.stores.categories import Scheme  # noqa: E402
from graphpath.studies import MEASURED, STUDIES, Bench, Setting, run_study  # noqa: E402
from graphpath.studies.imagenet import circuits, map_scores  # noqa: E402
from graphpath.tracing.rows import first_neuron  # noqa: E402
from tests.tracing.nets import NETS, images, randomised  # noqa: E402


class Residual(nn.Module):
    """Two stages, a sum at the end of each, as a network of blocks has them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.down, self.two = nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.Conv2d(6, 6, 1)
        self.head = nn.Linear(6, 3)

    def first(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return (x + self.one(x)).relu()

    def second(self, x: Tensor) -> Tensor:
        x = self.down(x).relu()
        return (x + self.two(x)).relu()

    def last(self, x: Tensor) -> Tensor:
        return self.head(x.mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.second(self.first(x)))


@pytest.fixture(scope="module")
def module() -> Residual:
    return randomised(Residual(), 3)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def network(module: Residual) -> Network:
    return take_apart(module, (2, 6, 6))


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return images((2, 6, 6), 5, 0)


CLASSES = torch.tensor([0, 2, 1, 1, 0])


def test_ends_of_blocks_are_the_last_sums_of_their_shape(network: Network) -> None:
    ends = map_scores.find_block_ends(network)
    assert [site.shape for site in ends] == [(4, 6, 6), (6, 3, 3)]
    assert [site.kind for site in ends] == ["add", "add"]


def test_without_sums_they_are_the_last_layers_of_their_shape() -> None:
    make, shape = NETS["plain"]
    ends = map_scores.find_block_ends(take_apart(randomised(make(), 0), shape))
    assert [site.shape for site in ends] == [(3, 5, 5), (4, 5, 5)]


def test_scores_of_single_maps(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    active = map_scores.score_activation(Pass.of(network, pixels), ends)
    scored = map_scores.score_gradient(network, pixels, CLASSES, ends)
    sizes, sums = np.zeros(4), np.zeros(4)
    for image, label in zip(pixels, CLASSES, strict=True):
        maps = module.first(image[None]).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(module.last(module.second(maps))[0, label], maps)
        for channel in range(4):
            both = [values[0, channel].flatten().tolist() for values in (maps.detach(), gradient)]
            sizes[channel] += np.mean(np.abs(both[0])) / 5
            sums[channel] += sum(abs(a * b) for a, b in zip(*both, strict=True)) / 5
    np.testing.assert_allclose(active[ends[0].number], sizes)
    np.testing.assert_allclose(scored[ends[0].number], sums)


def test_cross_layer_attribution_pair_by_pair(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    run = Pass.of(network, pixels)
    between = map_scores.attribute_maps(run, *ends, np.arange(6))
    expected, last = np.zeros((4, 6)), np.zeros(6)
    for image, label in zip(pixels, CLASSES, strict=True):
        maps = module.first(image[None]).detach().requires_grad_(True)
        for target in range(6):
            length = (module.second(maps)[0, target] ** 2).sum().sqrt()
            (gradient,) = torch.autograd.grad(length, maps)
            for source in range(4):
                product = maps[0, source].abs() * gradient[0, source].abs()
                expected[source, target] += np.nan_to_num(float(product.sum().detach())) / 5
        later = module.second(maps).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(module.last(later)[0, label], later)
        for target in range(6):
            last[target] += float((later[0, target].abs() * gradient[0, target].abs()).sum().detach()) / 5
    np.testing.assert_allclose(between, expected)
    found = map_scores.follow_back(run, ends, CLASSES, [1, 2])
    np.testing.assert_allclose(found[ends[1].number], last)
    taken = sorted(range(6), key=lambda n: -last[n])[:2]
    np.testing.assert_allclose(found[ends[0].number], expected[:, taken].sum(1))


def test_sensitivity_is_what_is_lost_without_a_map(
    module: Residual, network: Network, pixels: Tensor
) -> None:
    ends = map_scores.find_block_ends(network)
    found = map_scores.measure_losses(Pass.of(network, pixels), *ends, np.arange(4))
    assert found.shape == (5, 4, 6) and (found > 0).any() and (found == 0).any()
    with torch.no_grad():
        for place, image in enumerate(pixels):
            maps = module.first(image[None])
            whole = module.second(maps)[0]
            for source in range(4):
                less = maps.clone()
                less[0, source] = 0
                without = module.second(less)[0]
                lost = [max(0.0, float((whole[t] - without[t]).mean())) for t in range(6)]
                np.testing.assert_allclose(found[place, source], lost, atol=1e-12)


def test_peaks_are_means_of_the_largest_tenth(module: Residual, network: Network, pixels: Tensor) -> None:
    ends = map_scores.find_block_ends(network)
    found = map_scores.measure_peaks(Pass.of(network, pixels), ends[0])
    with torch.no_grad():
        for place, image in enumerate(pixels):
            for channel, plane in enumerate(module.first(image[None])[0]):
                largest = sorted(plane.flatten().tolist())[-3:]  # of 36
                assert float(found[place, channel]) == pytest.approx(np.mean(largest))


def test_granular_circuits_link_by_both_scores(network: Network, pixels: Tensor) -> None:
    """Against loops over images, taken maps and later maps."""
    random, ends, run = (
        np.random.default_rng(0),
        map_scores.find_block_ends(network),
        Pass.of(network, pixels),
    )
    first, own = random.random((30, 4)), np.array([2, 7, 11, 12, 20])
    peaks = [first, np.hstack([first[:, :3] + 0.01, random.random((30, 3))])]
    found = map_scores.link_forward(run, ends, peaks, own, [2, 3])
    tops = [[{int(column.argmax())} for column in layer.T] for layer in peaks]
    below = [np.mean([[peaks[0][r, c] < peaks[0][i, c] for r in range(30)] for i in own]) for c in range(4)]
    roots = [sum(i in tops[0][c] for i in own) + below[c] for c in range(4)]
    np.testing.assert_allclose(found[ends[0].number], roots)
    losses = map_scores.measure_losses(run, *ends, np.arange(4))
    expected = np.zeros(6)
    for source in sorted(range(4), key=lambda c: -roots[c])[:2]:
        for place, image in enumerate(own):
            total = losses[place, source].sum()
            for target in range(6):
                linked = image in set(np.argsort(-peaks[1][:, target])[:3])
                shared = len(tops[0][source] & tops[1][target]) / len(tops[1][target])
                if total and linked:
                    expected[target] += losses[place, source, target] / total * shared / 5
    np.testing.assert_allclose(found[ends[1].number], expected)


def test_links_need_sensitivity_and_shared_images() -> None:
    losses = np.array([[[1.0, 3], [0, 0]], [[2, 2], [0, 5]]])
    linked, shared = np.array([[True, True], [False, True]]), np.array([[1.0, 0.5], [0, 0.25]])
    found = map_scores.score_links(losses, linked, shared)
    np.testing.assert_allclose(found, [(1 / 4) / 2, ((3 / 4 + 1 / 2) / 2) * 0.5 + (1 / 2) * 0.25])


def test_the_largest_are_marked_with_ties_to_the_lower_channel() -> None:
    assert map_scores.mark_largest(np.array([1.0, 3, 3, 2]), 2).tolist() == [False, True, True, False]
    assert map_scores.mark_largest(np.array([0.0, 0, 0]), 1).tolist() == [True, False, False]
    marked = map_scores.mark_highest(np.array([[1.0, 9], [2, 8], [3, 7], [4, 6]]), 0.5)
    assert marked.T.tolist() == [[False, False, True, True], [True, True, False, False]]


NETWORK = """
import torch
from torch import nn

def small():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 25, 4)
    )
"""
CLASSES_OF = {"collie": "dog", "pug": "dog", "tabby": "cat", "anvil": ""}
TINY = {"layers": 2, "images": 3, "draws": 2, "share": 0.25}


def write_folder(folder: Path, names: Sequence[str], each: int) -> None:
    """Noisy images, every folder of its own colour."""
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            random = np.random.default_rng((place, number))
            pixels = random.integers(0, 200, (16, 16, 3)) * np.eye(3)[place % 3] + 20
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, its classes, their categories, and folders of images of either."""
    folder = tmp_path_factory.mktemp("circuits")
    (folder / "nets.py").write_text(NETWORK)
    (folder / "classes.txt").write_text("\n".join(CLASSES_OF))
    rows = [f"{name},{kind}" for name, kind in CLASSES_OF.items()]
    (folder / "kinds.csv").write_text("\n".join(["name,category", *rows]))
    write_folder(folder / "classes", list(CLASSES_OF), 24)
    write_folder(folder / "concepts", ["dog", "cat"], 24)
    return folder


def make_setting(made: Path, data: str, groups: int = 2) -> Setting:
    return Setting(
        made / "out",
        str(made / data),
        seeds=tuple(range(groups)),
        models=(f"{made / 'nets.py'}:small",),
        opening=Opening(mean="0.5", std="0.25", classes=str(made / "classes.txt")),
        size=16,
        scheme=Scheme.read(made / "kinds.csv", "kinds"),
    )


@pytest.mark.parametrize("data", ["classes", "concepts"])
def test_end_to_end(made: Path, data: str) -> None:
    """On images of the network's classes, and on a user's own folders, a concept each."""
    study = STUDIES["imagenet/circuits"]
    result = run_study(study, make_setting(made, data), TINY)
    table, effects = result.tables["concepts"], result.tables["effects"]
    assert len(result.verdicts) == len(study.claims) and not result.verdicts.effect.isna().any()
    assert set(table.maps) == {circuits.PATHWAY, *circuits.OTHERS, circuits.CHANCE}
    assert set(table.concept) <= {"dog", "cat"} and set(table["mode"]) == {"removed", "kept alone"}
    for seed, some in table.groupby("seed"):
        lost = some[some["mode"] == "removed"].groupby("maps").probability.mean()
        own = effects[(effects.quantity == "probability, removed") & (effects.seed == seed)]
        for condition, value in zip(own.condition, own.value, strict=True):
            name = circuits.PATHWAY if condition == MEASURED else condition
            assert value == pytest.approx(lost[name] - lost[circuits.CHANCE])
    assert "categories/class_edges" in result.page.read_text()


@pytest.fixture(scope="module")
def bench(made: Path) -> Iterator[Bench]:
    setting = make_setting(made, "classes")
    options = {**STUDIES["imagenet/circuits"].options, **TINY}
    with Bench(setting, 0, "trained", setting.network("trained", 0), options) as opened:
        yield opened


@pytest.fixture(scope="module")
def looked(bench: Bench) -> tuple[Network, list[Site], circuits.Photographs, list[circuits.Concept]]:
    network = take_apart(bench.model.module, (3, 16, 16))
    sites = map_scores.find_block_ends(network)
    photographs = circuits.look_at_images(bench, network, sites)
    return network, sites, photographs, circuits.choose_concepts(bench, photographs)


Looked = tuple[Network, list[Site], circuits.Photographs, list[circuits.Concept]]


def test_halves_are_recognised_images_of_the_group_and_of_the_concept(bench: Bench, looked: Looked) -> None:
    _, _, photographs, concepts = looked
    assert concepts
    logits = bench.model.module(photographs.images.batch(0, len(photographs.images))).detach().numpy()
    np.testing.assert_allclose(photographs.logits, logits, atol=1e-4)
    kinds = list(CLASSES_OF.values())
    for concept in concepts:
        assert not set(concept.learned) & set(concept.tested)
        assert len(concept.learned) and len(concept.tested) <= TINY["images"]
        for image in (*concept.learned, *concept.tested):
            assert kinds[int(logits[image].argmax())] == concept.name == photographs.names[image]
            own = [label for label, kind in enumerate(kinds) if kind == concept.name]
            assert photographs.likeliest[image] == max(own, key=lambda label: logits[image, label])


def test_weights_are_those_of_the_concept_s_pathways(bench: Bench, looked: Looked) -> None:
    """Against loops over the trace's own edges between maps."""
    network, sites, photographs, concepts = looked
    traced = circuits.trace_concepts(bench, photographs, concepts)
    found = circuits.weigh_pathways(bench, network, sites, traced, concepts)
    pathways = traced.pathways().to_table().to_pandas().merge(traced.samples().to_table().to_pandas())
    edges, first = traced.channels().to_table().to_pandas(), first_neuron(network, bench.model.sha256)
    for concept in concepts:
        labels = {label for label, kind in enumerate(CLASSES_OF.values()) if kind == concept.name}
        own = pathways[pathways.label.isin(labels)].pathway
        assert len(own) == len(concept.learned)
        for site in sites:
            expected, plane = np.zeros(site.shape[0]), site.shape[1] * site.shape[2]
            for edge in edges[edges.pathway.isin(own)].itertuples():
                neuron = edge.source - first
                if site.offset <= neuron < site.offset + site.size:
                    expected[(neuron - site.offset) // plane] += abs(edge.score) / len(own)
            np.testing.assert_allclose(found[concept.name][site.number], expected, rtol=1e-5)


def test_taking_maps_out_is_what_verify_does(bench: Bench, looked: Looked) -> None:
    network, sites, photographs, concepts = looked
    concept, random = concepts[0], np.random.default_rng(0)
    maps = {site.number: random.random(site.shape[0]) < 0.4 for site in sites}
    rows = circuits.measure_concept(network, photographs, concept, {"some": [maps]})
    first = first_neuron(network, bench.model.sha256)
    ids = [
        first + site.offset + channel * site.shape[1] * site.shape[2]
        for site in sites
        for channel in np.flatnonzero(maps[site.number])
    ]
    images = circuits.label_likeliest(bench, photographs, concept.tested)
    for row, mode in zip(rows, ("remove", "keep"), strict=True):
        answer = pd.DataFrame({"map": ids})
        verdict = gp.verify(bench.model, images, answer=answer, mode=mode, target="label", draws=1)
        change = verdict.table[(verdict.table.set == "answer") & (verdict.table.measure == "logit")].change
        assert row["logit"] == pytest.approx(-float(change.iloc[0]), abs=1e-4)


def test_without_enough_images_that_is_said(made: Path) -> None:
    with pytest.raises(StudyError, match="no concept has 80 images that the network recognises"):
        run_study(STUDIES["imagenet/circuits"], make_setting(made, "classes", 40), TINY)
