"""The idioms of ordinary users: every conservation check on all edges in float64, or the refusal's words."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from graphpath.errors import ModelError, NetworkError
from graphpath.network import take_apart
from tests.network.idioms import IDIOMS
from tests.networks.making import as_given
from tests.networks.measuring import agreement, answers, nudge
from tests.tracing import harness, nets
from tests.tracing.harness import EXACT

TRACED = sorted(name for name, idiom in IDIOMS.items() if not idiom.refused)
REFUSED = sorted(name for name, idiom in IDIOMS.items() if idiom.refused)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TRACED)
def test_laws(name: str) -> None:
    """The network answers what the module does, keeps every law, and leaves the module as it was."""
    model, shape = IDIOMS[name].made(), IDIOMS[name].shape
    image = nets.images(shape, 1, seed=3)
    own, before = answers(model, image), state(model)
    batch, _ = harness.held(as_given(model, shape), image)
    assert changes(before, state(model)) == []
    assert agreement(batch.held.logits, own, answers(model, nudge(image))) < EXACT
    (edges,) = harness.every_edge(batch)
    assert len(edges) > 0
    for law, off in harness.laws(edges, harness.numbers(batch, 0)).items():
        assert off < EXACT, law


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_what_it_is_about(name: str) -> None:
    """One sentence or two that have the words, and the module as it was."""
    model = IDIOMS[name].made()
    before = state(model)
    with pytest.raises((NetworkError, ModelError)) as refusal:
        shape = IDIOMS[name].shape
        take_apart(as_given(model, shape), shape)
    assert changes(before, state(model)) == []
    said = str(refusal.value)
    for word in IDIOMS[name].refused:
        assert re.search(word, said, flags=re.IGNORECASE), said
    assert "\n" not in said and len(said) < 600, said


def state(model: nn.Module) -> dict[tuple[str, str], object]:
    """What a module and those within it hold: tensors by value, all else by itself."""
    found: dict[tuple[str, str], object] = {}
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            found[place, name] = dict(value) if isinstance(value, dict) else value
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            found[place, f"values of {name}"] = tensor.detach().clone()
            found[place, f"gradient of {name}"] = tensor.grad
    return found


def changes(before: dict[tuple[str, str], object], after: dict[tuple[str, str], object]) -> list[object]:
    """What differs."""
    return [key for key in before | after if not _same(before.get(key), after.get(key))]


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one is other or torch.equal(one.nan_to_num(), other.nan_to_num())
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(value is other[key] for key, value in one.items())
    return one is other or bool(one == other)
