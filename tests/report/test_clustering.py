"""Clustering against plain loops: what is joined, at which likeness, and in which order it stands."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpath.report.clustering import Group, cluster, square_matrix

NAMES = "abcdefg"


def matrix(values: list[float], size: int) -> np.ndarray:
    """Symmetric, of the values above its diagonal."""
    made = np.full((size, size), np.nan)
    for (i, j), value in zip(combinations(range(size), 2), values, strict=True):
        made[i, j] = made[j, i] = value
    return made


def drawn(size: int, seed: int) -> np.ndarray:
    return matrix(np.random.default_rng(seed).random(size * (size - 1) // 2).tolist(), size)


def joined_by_loops(names: str, likeness: np.ndarray) -> dict[frozenset[str], float]:
    """UPGMA: again and again the two groups whose members are most alike on average."""
    groups, found = [frozenset(name) for name in names], {}
    while len(groups) > 1:
        alike = {
            (one, two): float(np.mean([likeness[names.index(a), names.index(b)] for a in one for b in two]))
            for one, two in combinations(groups, 2)
        }
        one, two = max(alike, key=lambda pair: alike[pair])
        groups = [*(group for group in groups if group not in (one, two)), one | two]
        found[one | two] = alike[one, two]
    return found


def orders(group: Group) -> list[tuple[str, ...]]:
    """Every order of leaves that a tree allows."""
    if not group.parts:
        return [group.members]
    first, second = map(orders, group.parts)
    return [joined for a, b in product(first, second) for joined in (a + b, b + a)]


def length(order: tuple[str, ...], likeness: np.ndarray) -> float:
    return sum(1 - likeness[NAMES.index(a), NAMES.index(b)] for a, b in pairwise(order))


def test_two_groups_stand_side_by_side() -> None:
    likeness = np.full((6, 6), 0.1)
    for group in ([0, 2, 4], [1, 3, 5]):
        likeness[np.ix_(group, group)] = 0.8
    *_, whole = cluster("abcdef", likeness)
    assert {frozenset(part.members) for part in whole.parts} == {frozenset("ace"), frozenset("bdf")}
    assert {frozenset(whole.members[:3]), frozenset(whole.members[3:])} == {
        frozenset("ace"),
        frozenset("bdf"),
    }
    assert whole.likeness == pytest.approx(0.1)
    assert [part.likeness for part in whole.parts] == pytest.approx([0.8, 0.8])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [3, 5, 7])
def test_what_is_joined_is_what_plain_loops_join(size: int, seed: int) -> None:
    likeness = drawn(size, seed)
    tree = cluster(NAMES[:size], likeness)
    expected = joined_by_loops(NAMES[:size], likeness)
    assert {frozenset(joint.members): pytest.approx(joint.likeness) for joint in tree} == expected
    assert [joint.likeness for joint in tree] == sorted((joint.likeness for joint in tree), reverse=True)


@pytest.mark.parametrize("seed", range(20))
def test_of_all_orders_that_the_tree_allows_it_is_the_one_with_the_nearest_neighbours(seed: int) -> None:
    likeness = drawn(6, seed)
    whole = cluster(NAMES[:6], likeness)[-1]
    lengths = [length(order, likeness) for order in orders(whole)]
    assert len(lengths) == 2**5
    assert length(whole.members, likeness) == pytest.approx(min(lengths))
    assert whole.members[0] < whole.members[-1]


@given(
    values=st.lists(st.sampled_from([0.0, 0.25, 0.5, np.nan]), min_size=15, max_size=15),
    to=st.permutations(range(6)),
)
def test_the_order_in_which_things_are_given_does_not_matter(values: list[float], to: list[int]) -> None:
    """Ties and unknown pairs included."""
    likeness = matrix(values, 6)
    moved = cluster([NAMES[i] for i in to], likeness[np.ix_(to, to)])
    assert moved == cluster(NAMES[:6], likeness)


def test_forty_classes_are_ordered_better_than_by_chance() -> None:
    """As many as a heat map shows; the sum over neighbours is below that of a thousand random flips."""
    size, random = 40, np.random.default_rng(0)
    names = [f"{i:02}" for i in range(size)]
    likeness = drawn(size, 0)
    whole = cluster(names, likeness)[-1]

    def flipped(group: Group) -> tuple[str, ...]:
        parts = [flipped(part) for part in group.parts] or [group.members]
        return sum(parts if random.random() < 0.5 else parts[::-1], ())

    def along(order: tuple[str, ...]) -> float:
        return sum(1 - likeness[int(a), int(b)] for a, b in pairwise(order))

    assert sorted(whole.members) == names
    assert along(whole.members) < min(along(flipped(whole)) for _ in range(1000)) - 1e-9


def test_a_joint_stands_midway_between_its_parts_and_leaves_by_their_order() -> None:
    tree = cluster(NAMES, drawn(7, 3))
    for joint in tree:
        assert joint.place == sum(part.place for part in joint.parts) / 2
    leaves = [part for joint in tree for part in joint.parts if not part.parts]
    by_place = sorted(leaves, key=lambda leaf: leaf.place)
    assert [leaf.place for leaf in by_place] == [i + 0.5 for i in range(7)]
    assert tuple(leaf.members[0] for leaf in by_place) == tree[-1].members


def test_an_unknown_pair_counts_as_nothing_in_common() -> None:
    likeness = matrix([0.9, np.nan, 0.4], 3)  # ab, ac, bc
    first, whole = cluster("abc", likeness)
    assert first.members == ("a", "b")
    assert whole.likeness == pytest.approx(0.2)
    assert whole.members == ("a", "b", "c")


def test_fewer_than_three_are_not_clustered() -> None:
    assert cluster("ab", matrix([0.5], 2)) == []
    assert cluster("", np.empty((0, 0))) == []


def test_a_square_has_each_pair_twice_and_others_not() -> None:
    rows = [("b", "a", 0.5), ("a", "c", 0.25), ("a", "z", 1.0)]
    frame = pd.DataFrame(rows, columns=["category1", "category2", "J"])
    expected = [[np.nan, 0.5, 0.25], [0.5, np.nan, np.nan], [0.25, np.nan, np.nan]]
    np.testing.assert_array_equal(square_matrix(frame, "abc", "J"), expected)
    np.testing.assert_array_equal(square_matrix(frame.iloc[::-1], "abc", "J"), expected)
