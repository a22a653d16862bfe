"""Key maps against the module's own forward with hooks that set maps to 0, in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import graphpath as gp
from graphpath.errors import DataError, MethodError
from tests.tracing import nets

SEEDS = (0, 1, 2)


def ablated(model: nn.Module, module: nn.Module | None, channel: int, images: Tensor) -> Tensor:
    """The logits with one channel of a module's output at 0."""

    def zero(_: nn.Module, __: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, channel] = 0
        return output

    handle = None if module is None else module.register_forward_hook(zero)
    with torch.no_grad():
        logits = model(images)
    if handle is not None:
        handle.remove()
    return logits


def balanced(found: list[int], labels: list[int], label: int) -> float:
    own = [f == label for f, known in zip(found, labels, strict=True) if known == label]
    others = [f != label for f, known in zip(found, labels, strict=True) if known != label]
    return (np.mean(own) + (np.mean(others) if others else 1.0)) / 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("batch", [256, 7])
def test_drops_of_balanced_accuracy_and_logit(seed: int, batch: int) -> None:
    model, shape = nets.made("plain", seed)
    model.eval()
    images = nets.images(shape, 30, seed)
    with torch.no_grad():
        model[-1].bias -= model(images).mean(0)  # so that every class is predicted of some
    labels = torch.randint(0, 3, (30,), generator=torch.Generator().manual_seed(seed)).tolist()
    found = gp.key_maps(model, images, labels, batch=batch, least=2)
    plain = ablated(model, None, 0, images)
    relus = {1: model[1], 2: model[3]}
    assert set(found.layer) == {1, 2}
    for layer, maps in ((1, 3), (2, 4)):
        for label in range(3):
            rows = found[(found.layer == layer) & (found.label == label)].set_index("channel")
            wanted = []
            for channel in range(maps):
                logits = ablated(model, relus[layer], channel, images)
                drop = balanced(plain.argmax(1).tolist(), labels, label)
                drop -= balanced(logits.argmax(1).tolist(), labels, label)
                mine = [i for i, known in enumerate(labels) if known == label]
                logit_drop = float((plain - logits)[mine, label].mean())
                assert rows["drop"][channel] == pytest.approx(drop, abs=1e-12)
                assert rows.logit_drop[channel] == pytest.approx(logit_drop, abs=1e-12)
                wanted.append((-rows["drop"][channel], -rows.logit_drop[channel], channel))
            ranks = {channel: rank for rank, (_, _, channel) in enumerate(sorted(wanted), start=1)}
            assert rows["rank"].to_dict() == ranks
            assert rows.key.to_dict() == {c: r <= max(2, math.ceil(0.1 * maps)) for c, r in ranks.items()}
    assert found["drop"].ne(0).any()


def test_layers_by_name_and_classes_that_occur() -> None:
    model, shape = nets.made("residual", 1)
    images = nets.images(shape, 6, 1)
    some = gp.key_maps(model, images, [0, 0, 2, 2, 2, 0], layers=["c2", 1], share=1.0)
    assert some.name.unique().tolist() == ["c2", "stem"] and set(some.label) == {0, 2}
    assert some.key.all()
    every = gp.key_maps(model, images, [0, 0, 2, 2, 2, 0])
    columns = ["channel", "label", "drop", "logit_drop", "rank"]
    for name in ("c2", "stem"):
        assert (
            every[every.name == name][columns]
            .reset_index(drop=True)
            .equals(some[some.name == name][columns].reset_index(drop=True))
        )


def test_progress_and_the_model_as_it_was() -> None:
    model, shape = nets.made("plain", 0)
    model.train()
    told: list[tuple[str, int, int]] = []
    gp.key_maps(model, nets.images(shape, 2, 0), [0, 1], progress=lambda *done: told.append(done))
    assert told == [("looking for key maps", n, 7) for n in range(1, 8)]
    assert model.training


def test_what_is_refused() -> None:
    model, shape = nets.made("plain", 0)
    images = nets.images(shape, 2, 0)
    with pytest.raises(DataError, match="needs a label for every image"):
        gp.key_maps(model, images)
    with pytest.raises(DataError, match="above 2"):
        gp.key_maps(model, images, [0, 3])
    with pytest.raises(MethodError, match="has no feature maps to take out"):
        gp.key_maps(model, images, [0, 1], layers=[4])
    with pytest.raises(MethodError, match="no layer 'conv9'"):
        gp.key_maps(model, images, [0, 1], layers=["conv9"])
    with pytest.raises(MethodError, match=r"share=0"):
        gp.key_maps(model, images, [0, 1], share=0)
