"""Samples on their sides, and what each weighs."""

from __future__ import annotations

import numpy as np
import pytest

from graphpath.detect.fit import split_by_original
from graphpath.detect.material import LabelledSamples
from graphpath.errors import StoreError


def made(originals: int, attacks: tuple[str, ...] = ("bim 0.3", "cw"), every: int = 1) -> LabelledSamples:
    """Clean samples, and of every so-manieth an attack of each kind."""
    clean = np.arange(originals)
    attacked = np.tile(clean[::every], len(attacks))
    names = np.repeat(attacks, len(clean[::every]))
    attack = np.concatenate([np.full(originals, ""), names])
    original = np.concatenate([clean, attacked])
    sample = np.arange(len(attack))
    return LabelledSamples(np.zeros((len(attack), 2)), attack, sample, original, np.zeros(len(attack)))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_an_original_and_what_was_made_of_it_are_on_one_side(share: float) -> None:
    material = made(50, every=2)
    one, two = split_by_original(material, share, seed=1)
    assert not set(one.original) & set(two.original)
    assert len(one) + len(two) == len(material)
    assert (~one.attacked).sum() == round(50 * share)
    other, _ = split_by_original(material, share, seed=2)
    assert set(other.original) != set(one.original)


def test_clean_samples_weigh_as_much_as_all_attacks() -> None:
    material = made(30, every=3).select(np.arange(50) > 4)
    weights = material.balance_weights()
    assert weights.mean() == pytest.approx(1)
    total = {name: weights[material.attack == name].sum() / len(material) for name in ("", "bim 0.3", "cw")}
    assert total == pytest.approx({"": 0.5, "bim 0.3": 0.25, "cw": 0.25})
    assert material.select_attacks(["cw"]).attacks == ["cw"]


def test_too_few_are_refused() -> None:
    for material in (made(2), made(20, every=20)):
        with pytest.raises(StoreError, match="too few images outside of the class pathways"):
            split_by_original(material, 0.5, 0)
