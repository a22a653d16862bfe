"""What an answer's columns and ids mean, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from graphpath.errors import AnswerError
from graphpath.network import Network, take_apart
from graphpath.verifying.answer import AnswerReader, AnswerSets
from graphpath.verifying.sets import sets_from_answer
from tests.tracing import nets

FIRST = 7 << 32
SAMPLES = np.array([50, 20, 90, 70])
PATHWAYS = pd.Series({1: 20, 2: 90, 3: 11}, dtype=np.int64)


@pytest.fixture(scope="module")
def network() -> Network:
    model, shape = nets.made("plain")
    found = take_apart(model, shape)
    assert [site.kind for site in found.sites] == ["input", "conv", "conv", "linear", "logits"]
    return found


def read(network: Network, columns: dict[str, object], **asked: object) -> AnswerSets:
    reader = AnswerReader(network, FIRST, SAMPLES, PATHWAYS, {3 << 32: "vgg"})
    shared = bool(asked.pop("shared", False))
    return reader.read(pd.DataFrame(columns), asked.pop("layers", None), shared=shared)  # type: ignore[arg-type]


def ids(network: Network, *places: tuple[int, int]) -> list[int]:
    """The ids of neurons by (site, number within it)."""
    return [FIRST + network.sites[site].offset + neuron for site, neuron in places]


def test_neurons_of_the_input_and_the_logits_are_ablated_only_where_named(network: Network) -> None:
    columns = {"neuron": ids(network, (0, 3), (1, 2), (3, 0), (4, 1), (1, 2))}
    found = read(network, columns)
    assert found.layers == (1, 3)
    assert found.columns[0].tolist() == [network.sites[1].offset + 2, network.sites[3].offset]
    assert found.image is None
    named = read(network, columns, layers=[0, network.sites[4].name])
    assert named.layers == (0, 4)
    with pytest.raises(AnswerError, match=r"input and the logits only.*layers=\[0\]"):
        read(network, {"neuron": ids(network, (0, 1), (4, 0))})


def test_edges_are_of_their_targets_layer(network: Network) -> None:
    source, target = ids(network, (0, 0), (1, 0), (3, 1)), ids(network, (1, 0), (2, 4), (4, 2))
    found = read(network, {"source": source, "target": target, "layer": [1, 2, 4]})
    assert found.edges and found.layers == (1, 2, 4)
    assert read(network, {"source": source, "target": target}, layers=["2", 4]).layers == (2, 4)
    with pytest.raises(AnswerError, match="does not read it"):
        read(network, {"source": target, "target": source})


@pytest.mark.parametrize("layer", ["²", "١٢", "9" * 5000, "-1", "1.0", "", 99])
def test_what_is_no_layer_is_refused(network: Network, layer: int | str) -> None:
    with pytest.raises(AnswerError, match="there is no layer"):
        read(network, {"neuron": ids(network, (1, 0))}, layers=[layer])


def test_a_map_is_all_its_neurons(network: Network) -> None:
    site = network.sites[2]
    plane = site.shape[1] * site.shape[2]
    assert plane > 1
    found = read(network, {"map": ids(network, (2, plane), (3, 1)), "sample": [20, 90]})
    assert found.columns[0].tolist() == [*range(site.offset + plane, site.offset + 2 * plane),
                                         network.sites[3].offset + 1]  # fmt: skip
    assert found.image is not None and found.image.tolist() == [1] * plane + [2]
    with pytest.raises(AnswerError, match="no feature map's id"):
        read(network, {"map": ids(network, (2, plane + 1))})


def test_rows_are_of_their_samples(network: Network) -> None:
    neurons = ids(network, (1, 0), (1, 1), (1, 2), (1, 2))
    found = read(network, {"neuron": neurons, "sample": [90, 20, 5, 20]})
    assert found.image is not None
    assert list(zip(found.image, found.columns[0] - network.sites[1].offset, strict=True)) == [
        (1, 1), (1, 2), (2, 0),
    ]  # fmt: skip
    assert found.list_images(4).tolist() == [1, 2]
    by_pathway = read(network, {"neuron": neurons, "pathway": [2, 1, 3, 1]})
    assert by_pathway.image is not None and by_pathway.image.tolist() == found.image.tolist()
    assert by_pathway.digest == found.digest
    shared = read(network, {"neuron": neurons, "sample": [90, 20, 5, 20]}, shared=True)
    assert shared.image is None and len(shared.columns[0]) == 3
    assert shared.list_images(4).tolist() == [0, 1, 2, 3]
    assert shared.digest != found.digest
    with pytest.raises(AnswerError, match="names no image of those given"):
        read(network, {"neuron": neurons, "sample": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"layer": [1], "support": [2]}, "has the columns layer, support: expected source and target"),
        ({"neuron": []}, "is empty"),
        ({"neuron": [FIRST + 10**9]}, "another model"),
        ({"neuron": [(3 << 32) + 5]}, "of the model vgg"),
        ({"neuron": [None]}, "no id"),
        ({"neuron": ["a"]}, "no id"),
        ({"neuron": [FIRST + 0.5]}, "no id"),
    ],
)
def test_what_is_refused(network: Network, columns: dict[str, object], said: str) -> None:
    with pytest.raises(AnswerError, match=said):
        read(network, columns)


def test_layers_that_are_not_there_or_not_named_are_refused(network: Network) -> None:
    columns = {"neuron": ids(network, (1, 0))}
    with pytest.raises(AnswerError, match="no layer 'conv9'"):
        read(network, columns, layers=["conv9"])
    with pytest.raises(AnswerError, match="nothing in the layers that you gave: 2"):
        read(network, columns, layers=[2])


def test_a_batch_has_its_images_own_rows(network: Network) -> None:
    neurons = ids(network, (1, 0), (1, 1), (2, 2), (1, 2))
    found = read(network, {"neuron": neurons, "sample": [90, 20, 90, 70]})
    first, second = (
        sets_from_answer(found, np.array([1, 2]), network),
        sets_from_answer(found, np.array([3]), network),
    )
    for number in (1, 2):
        rows = torch.cat([first.neurons[number], second.neurons[number]])
        wanted = {1: [(0, 1), (1, 0), (2, 2)], 2: [(1, 2)]}[number]
        assert [tuple(place) for place in rows.nonzero().tolist()] == wanted
    assert first.total.tolist() == [1, 2] and second.total.tolist() == [1]
    shared = sets_from_answer(read(network, {"neuron": neurons}), np.array([0, 1, 2]), network)
    assert shared.neurons[1].shape == (1, network.sites[1].size) and shared.total.tolist() == [4]


def test_edges_that_are_shared_are_every_images(network: Network) -> None:
    columns = {"source": ids(network, (0, 1), (1, 5)), "target": ids(network, (1, 2), (2, 3))}
    cut = sets_from_answer(read(network, columns), np.array([4, 6, 9]), network).edges[2]
    assert cut.image.tolist() == [0, 1, 2] and cut.target.tolist() == [3] * 3
    assert cut.source.tolist() == [network.sites[1].offset + 5] * 3
    owned = read(network, {**columns, "sample": [70, 20]})
    chosen = sets_from_answer(owned, np.array([1, 3]), network)
    assert chosen.edges[1].image.tolist() == [1] and chosen.edges[2].image.tolist() == [0]
    assert chosen.size[1].tolist() == [0, 1] and chosen.size[2].tolist() == [1, 0]
