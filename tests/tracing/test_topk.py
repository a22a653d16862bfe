"""The largest of each row, against a sort."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphpath.tracing.topk import topk


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 400),
    share=st.floats(0, 1),
    levels=st.sampled_from([2, 5, 10**6]),
    seed=st.integers(0, 1000),
)
def test_the_largest_of_each_row(rows: int, columns: int, share: float, levels: int, seed: int) -> None:
    """Ties, few values and all, rows that groups do not fill."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(-levels, levels, (rows, columns), generator=generator).double()
    count = 1 + int(share * (columns - 1))
    found, column = topk(values, count)
    assert torch.equal(found, values.sort(1, descending=True).values[:, :count])
    assert torch.equal(values.gather(1, column), found)
    assert all(len(set(row)) == count for row in column.tolist())


@pytest.mark.parametrize("rows", [0, 3])
def test_long_rows_of_one_value(rows: int) -> None:
    values = torch.zeros(rows, 1000)
    found, column = topk(values, 8)
    assert found.shape == column.shape == (rows, 8)
    assert bool((found == 0).all())
