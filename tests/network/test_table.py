"""The table of graphpath/network/README.md names every classification network of torchvision's."""

from __future__ import annotations

import re

import pytest

from tests import networks
from tests.documents import shown

TABLE = shown(networks.DOCUMENT, networks.MARKS)
CHECKED = (
    "alexnet",
    "densenet121",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
)


def test_every_network_has_a_row() -> None:
    assert list(networks.rows(TABLE)) == list(networks.names())


@pytest.mark.parametrize("name", CHECKED)
def test_a_row_says_what_is_so(name: str) -> None:
    network = networks.taken_apart(name)
    row = f"| `{name}` | {len(network.sites)} | {network.neurons:,} | "
    assert networks.rows(TABLE)[name].startswith(row)


def test_every_network_that_is_traced_keeps_the_laws() -> None:
    traced = [row for row in networks.rows(TABLE).values() if "refused" not in row]
    assert len(traced) > 50
    for row in traced:
        edges, residual = re.fullmatch(r".*\| ([\d,]+) \| (\S+) \|\n", row).groups()  # type: ignore[union-attr]
        assert int(edges.replace(",", "")) > 0 and float(residual) < 1e-10, row
