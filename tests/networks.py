"""The table of networks in graphpath/network/README.md: torchvision's, taken apart, traced, checked.

python -m tests.networks [NAME ...]    measures them (or some) and writes them between the marks

regnet_y_128gf, of 645 million weights, takes 12 GB.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from graphpath.errors import NetworkError
from graphpath.network import Network, Site, hold, take_apart
from graphpath.tracing.batch import Batch, CompiledNetwork
from graphpath.tracing.methods import effective_path
from graphpath.tracing.targets import make_one_hot
from tests.documents import CHECKOUT, shown, write
from tests.tracing import nets

DOCUMENT = CHECKOUT / "graphpath" / "network" / "README.md"
MARKS = ("<!-- networks -->\n", "<!-- end of networks -->")
SIDE = 64
SIDES = {"inception_v3": 75}
"""Images of SIDE by SIDE pixels, or the least that a network takes."""
WITHOUT_DRAWING = {"init_weights": False, "aux_logits": False}
OPTIONS: dict[str, dict[str, Any]] = {"googlenet": WITHOUT_DRAWING, "inception_v3": WITHOUT_DRAWING}
HEAD = (
    "| network | layers | neurons | edges of an effective path | largest error |\n|---|---:|---:|---:|---:|\n"
)


@cache
def names() -> tuple[str, ...]:
    """Every classification network of torchvision's."""
    return tuple(torchvision.models.list_models(module=torchvision.models))


def size(name: str) -> int:
    """The side of the images that a network is measured with."""
    return SIDES.get(name, SIDE)


def made(name: str) -> nn.Module:
    """A network of ten classes in float64 with random weights and biases; batch norms know their images.

    Statistics at random would make a network of a hundred layers that multiplies rounding without bound.
    """
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, num_classes=10, **OPTIONS.get(name, {})).double()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.normal_(1, 0.2)
                module.momentum = 1.0
            if isinstance(getattr(module, "bias", None), Tensor):
                module.bias.normal_(0, 0.1)
        model.train()(nets.images((3, size(name), size(name)), 4, seed=1))
    return model.eval()


@dataclass(frozen=True)
class Measured:
    """A row of the table; ``refused`` says why where a network is not traced."""

    name: str
    sites: int = 0
    neurons: int = 0
    edges: int = 0
    residual: float = 0.0
    refused: str = ""

    def row(self) -> str:
        if self.refused:
            return f"| `{self.name}` | | | | {self.refused} |\n"
        return f"| `{self.name}` | {self.sites} | {self.neurons:,} | {self.edges:,} | {self.residual:.0e} |\n"


def measure(name: str) -> Measured:
    """One network, taken apart and held for one random image."""
    side = size(name)
    if re.match("vit|swin|maxvit", name):
        return _refused(name)
    network = take_apart(made(name), (3, side, side))
    image = nets.images((3, side, side), 1, seed=0)
    compiled = CompiledNetwork.of(network)
    held = hold(network, image, lambda logits: make_one_hot(logits.argmax(1), logits))
    batch = Batch(compiled, image, held, (0,))
    selection = effective_path.select(batch)
    edges = sum(len(block) for block in selection.blocks)
    return Measured(name, len(network.sites), network.neurons, edges, residual(batch))


def residual(batch: Batch) -> float:
    """The worst of: flows and constants are z, at every neuron; pixels and constants are f.

    |left - right| over what the terms have in size.
    """
    held, sites = batch.held, batch.compiled.sites
    worst = 0.0
    for site, incoming in zip(sites[1:], batch.compiled.incoming, strict=True):
        flows, b, z = incoming.forward(held.values), held.constants[site.number], held.before[site.number]
        size = torch.maximum(torch.maximum(z.abs(), b.abs()), z.abs().mean())
        worst = max(worst, float(((flows + b - z).abs() / size).max()))
    shares = [(held.output * held.gradient)[0, sites[0].span]]
    shares += [_constants(batch, site) for site in sites[1:]]
    terms = torch.cat(shares)
    return max(worst, float((terms.sum() - held.value[0]).abs() / terms.abs().sum()))


def _constants(batch: Batch, site: Site) -> Tensor:
    """What the constants of a site's neurons give to f: (size,)."""
    held = batch.held
    share = (held.constants[site.number] * held.gradient_before(site))[0]
    at_zero = site.activation.at_zero if site.activation is not None else 0.0
    return share + at_zero * held.gradient[0, site.span]


def _refused(name: str) -> Measured:
    try:
        with torch.device("meta"):
            take_apart(torchvision.models.get_model(name, weights=None), (3, 224, 224))
    except NetworkError as error:
        return Measured(name, refused=f"a transformer, refused: {error}")
    raise AssertionError(f"{name} was expected to be refused")


def taken_apart(name: str) -> Network:
    """A network, ready to be compared with its row."""
    return take_apart(made(name), (3, size(name), size(name)))


def rows(text: str) -> dict[str, str]:
    """The rows of a table by network."""
    return {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` \|.*\n", text, flags=re.MULTILINE)}


def main() -> None:
    """Measure networks and write the table."""
    torch.set_num_threads(1)
    kept = rows(shown(DOCUMENT, MARKS))
    for name in sys.argv[1:] or names():
        kept[name] = measure(name).row()
        sys.stderr.write(kept[name])
        write(HEAD + "".join(kept[other] for other in sorted(kept)), DOCUMENT, MARKS)


if __name__ == "__main__":
    main()
