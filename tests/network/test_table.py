"""The table of graphpath/network/README.md names every classification network of torchvision's."""

from __future__ import annotations

import pytest

from graphpath.network import take_apart
from tests.networks.corpora import torchvision_names
from tests.networks.making import make
from tests.networks.results import shown_rows

ROWS = shown_rows()
CHECKED = (
    "alexnet",
    "densenet121",
    "mobilenet_v3_small",
    "regnet_x_400mf",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
)


def test_every_network_has_a_row() -> None:
    assert {("torchvision", name) for name in torchvision_names()} <= set(ROWS)


@pytest.mark.parametrize("name", CHECKED)
def test_a_row_says_what_is_so(name: str) -> None:
    network = take_apart(*make("torchvision", name))
    assert ROWS["torchvision", name]["layers"] == f"{len(network.sites)}"
    assert ROWS["torchvision", name]["neurons"] == f"{network.neurons:,}"


def test_every_network_that_is_traced_keeps_the_laws() -> None:
    traced = [row for row in ROWS.values() if row["layers"].isdecimal()]
    assert len(traced) > 50
    for row in traced:
        assert int(row["edges of an effective path"].replace(",", "")) > 0, row
        assert float(row["largest error"]) < 1e-10, row
        assert float(row.get("float32") or 0) < 1e-5, row
