"""Cross-sections against twins: rotated kernels, every route, dense Jacobians, completeness (X1 to X7)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from graphpath.errors import MethodError
from graphpath.tracing.diffusion import sections as engine
from graphpath.tracing.diffusion.kernels import KERNELS
from graphpath.tracing.diffusion.plan import DiffusionPlan
from graphpath.tracing.diffusion.sections import iterate_sections
from graphpath.tracing.diffusion.sizes import measure_sizes
from tests.network.test_torchvision import narrow
from tests.tracing import nets
from tests.tracing import twins as whole_network
from tests.tracing.diffusion import twins
from tests.tracing.diffusion.harness import carried, every_pixel, held, plan

EXACT = 1e-10
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
SEEDS = (0, 1, 2)
ADDED = {"signed": 0.0, "plus_one": 1.0}


def close(one: Tensor | np.ndarray, two: Tensor | np.ndarray) -> bool:
    """Whether two arrays agree to EXACT of the largest number in them."""
    one, two = np.asarray(one), np.asarray(two)
    return one.shape == two.shape and bool(np.abs(one - two).max(initial=0) <= EXACT * np.abs(two).max())


def vgg_like() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(3, 4, (5, 3), padding=(2, 1)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 3, 3, padding=0),
        nn.ReLU(),
        nn.Conv2d(3, 3, 2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, 1),
    )


def with_logits(layers: nn.Sequential, image: Tensor) -> nn.Sequential:
    """The same layers with a dense layer behind them, which a network must end with."""
    with torch.no_grad():
        size = layers.eval().double()(image[None]).numel()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 2)).double()


def heads(layers: nn.Sequential) -> list[int]:
    """The layers whose results are sites: ReLUs, and what no ReLU follows but convolutions and sums."""
    masked = [isinstance(layer, nn.ReLU) for layer in [*layers[1:], nn.Identity()]]
    return [
        number
        for number, layer in enumerate(layers)
        if isinstance(layer, (nn.ReLU, twins.Residual))
        or (isinstance(layer, (nn.Conv2d, nn.Sequential)) and not masked[number])
    ]


# --- X1: footprints, and the paper's own reading -----------------------------------------


def test_the_footprint_of_a_pixel_is_the_kernel_rotated() -> None:
    model = nets.randomised(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 49, 2)), 0)
    image = torch.full((1, 1, 9, 9), 1.0, dtype=torch.float64)
    batch = held(model, image)
    found = carried(batch, plan(batch, "signed"), (torch.tensor([0]), torch.tensor([4 * 9 + 4])))[1][0]
    weight = model[0].weight[:, 0]
    assert torch.equal(found[:, 2:5, 2:5], weight.flip(1, 2))
    assert int((found != 0).sum()) == weight.numel()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", SEEDS)
def test_growing_patches_of_rotated_kernels_give_the_same(kernel: str, seed: int) -> None:
    layers, images = vgg_like(), nets.images((2, 9, 8), 1, seed)
    batch = held(nets.randomised(with_logits(layers, images[0]), seed), images)
    for tile in (None, 1, 4):
        found = carried(batch, plan(batch, kernel, tile))
        for place in (0, 7, 28, 35, 71):
            patches = twins.patch(layers, images[0], place // 8, place % 8, ADDED[kernel])
            for site, layer in enumerate(heads(layers), start=1):
                assert close(found[site][place], patches[layer])


# --- both engines ------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", nets.NETS)
def test_footprints_and_whole_tensors_agree(name: str, kernel: str) -> None:
    model, shape = nets.made(name)
    batch = held(model, nets.images(shape, 2, 0))
    whole = carried(batch, plan(batch, kernel))
    assert len(whole) == len(batch.compiled.sites)
    for tile in (1, 2, 3):
        for ours, theirs in zip(carried(batch, plan(batch, kernel, tile)), whole, strict=True):
            assert close(ours, theirs)


def test_the_plan_of_a_vgg_is_by_footprints_and_pays() -> None:
    model = torchvision.models.vgg16(weights=None, init_weights=False).eval()
    narrow(model.classifier)
    batch = held(model, torch.rand(1, 3, 32, 32))
    last = batch.compiled.network.site("features.28")
    way = DiffusionPlan.make(batch.compiled.network, "signed", (last,))
    assert way.footprints.tile == (4, 4)
    assert sum(window is not None for window in way.footprints.windows) >= 12
    assert way.fit_rows(1 << 28) > 3 * DiffusionPlan.make(way.network, "signed", (last,), False).fit_rows(
        1 << 28
    )


def test_rows_of_several_images_and_single_ones_agree() -> None:
    model, shape = nets.made("plain")
    batch = held(model, nets.images(shape, 3, 0))
    image, place = every_pixel(batch)
    mixed = torch.randperm(len(image), generator=torch.Generator().manual_seed(0))
    for tile in (None, 2):
        way = plan(batch, "signed", tile)
        together = carried(batch, way, (image[mixed], place[mixed]))
        for number, ours in enumerate(together):
            for row in (0, 11, 40):
                alone = carried(batch, way, (image[mixed[row : row + 1]], place[mixed[row : row + 1]]))
                assert close(ours[row : row + 1], alone[number])


# --- X2: every site, every pixel, exactly ------------------------------------------------


@pytest.mark.parametrize("name", nets.TWINNED)
def test_signed_sections_are_the_held_network_and_complete(name: str) -> None:
    """PS of each pixel from dense Jacobians; their sum and the constants' are the activations."""
    seed = len(name) % len(SEEDS)
    model, shape = nets.made(name, seed)
    images = nets.images(shape, 1, seed)
    batch = held(model, images)
    found = carried(batch, plan(batch, "signed"))
    twin = whole_network.take_apart(model, images[0])
    pixels = shape[1] * shape[2]
    spread = np.zeros((pixels + 1, twin.neurons))  # the last row is the constants'
    for pixel in range(pixels):
        alone = np.zeros((shape[0], pixels))
        alone[:, pixel] = images[0].reshape(shape[0], -1)[:, pixel]
        spread[pixel, : alone.size] = alone.ravel()
    for site, ours in zip(twin.sites, found, strict=True):
        mine = slice(site.offset, site.offset + site.size)
        if site.number > 0:
            spread[:, mine] = spread[:, : site.offset] @ site.jacobian.T * site.gate
            spread[-1, mine] += site.gate * site.b + site.at_zero
        assert close(ours.flatten(1), spread[:-1, mine])
        total = ours.flatten(1).sum(0).numpy() + spread[-1, mine]
        terms = np.abs(spread[:, mine]).sum(0)
        assert (np.abs(total - site.a) <= EXACT * np.maximum(terms, np.abs(site.a))).all()


def test_a_whole_vgg_is_complete_in_float32() -> None:
    torch.manual_seed(0)
    model = torchvision.models.vgg11_bn(weights=None).eval()
    narrow(model.classifier)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.bias.data.normal_(0, 0.1)
    images = torch.rand(1, 3, 32, 32)
    batch = held(model, images)
    network = batch.compiled.network
    ends = (network.site("features.25"),)
    totals = [0.0] * (ends[0].number + 1)
    image, place = every_pixel(batch)
    for rows in place.split(256):
        for section in iterate_sections(
            DiffusionPlan.make(network, "signed", ends), batch.held, image[rows], rows
        ):
            totals[section.site.number] += section.embed().double().sum(0)
    alone = _constants_alone(batch, ends[0].number)
    for site, total, constant in zip(network.sites, totals, alone, strict=False):
        a = batch.held.output[0, site.span].double().view(site.shape)
        assert float((total + constant - a).abs().max()) < 1e-4 * float(a.abs().max())


def _constants_alone(batch: object, last: int) -> list[Tensor]:
    """What the constants alone give on each site of a chain: the network run on black with its masks."""
    held = batch.held  # type: ignore[attr-defined]
    found = [torch.zeros(held.network.sites[0].shape, dtype=torch.float64)]
    values: dict[int, Tensor] = {0: torch.zeros_like(found[0])[None]}
    after = {site.after: site for site in held.network.sites[: last + 1]}
    for number, step in enumerate(held.network.program.steps[1 : held.network.sites[last].after + 1], 1):
        x = values[step.inputs[0]].float()
        if number in held.settings.switches:
            value = x.flatten(2).gather(2, held.settings.switches[number].flatten(2)).view(1, *step.shape)
        elif number in after and after[number].activation is not None:
            value = x * held.gate(after[number]).view(1, *step.shape)
        else:
            value = step.operation.run(x)
        values[number] = value
        if number in after:
            found.append(value[0].double())
    return found


# --- X3: counts of routes ----------------------------------------------------------------


def test_without_weights_plus_one_counts_all_routes() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.Conv2d(5, 6, 5, padding=2),
        nn.Flatten(),
        nn.Linear(6 * 13 * 13, 2),
    ).double()
    for parameter in model.parameters():
        parameter.data.zero_()
    batch = held(model, torch.rand(1, 3, 13, 13, dtype=torch.float64))
    middle = (torch.tensor([0]), torch.tensor([6 * 13 + 6]))
    found = carried(batch, plan(batch, "plus_one", 2), middle, "unit")
    counts = [3, 3 * 4 * 9, 3 * 4 * 9 * 5 * 9, 3 * 4 * 9 * 5 * 9 * 6 * 25]
    assert [float(section.sum()) for section in found[:4]] == counts


TOYS: dict[str, tuple[tuple[int, int, int], nn.Sequential]] = {
    "masked and pooled": (
        (2, 6, 6),
        nn.Sequential(
            nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(2, 3, 2), nn.ReLU()
        ),
    ),
    "overlapping pools": (
        (1, 6, 6),
        nn.Sequential(
            nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 1), nn.Conv2d(2, 2, 2, padding=1), nn.ReLU()
        ),
    ),
    "strided, dilated, grouped": (
        (2, 7, 7),
        nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(4, 4, 3, dilation=2, padding=2, groups=4),
            nn.ReLU(),
            nn.Conv2d(4, 2, 2),
        ),
    ),
    "batch norm folded, average": (
        (2, 6, 6),
        nn.Sequential(
            nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2)),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Sequential(nn.Conv2d(2, 2, 2), nn.BatchNorm2d(2)),
            nn.ReLU(),
        ),
    ),
    "residual": (
        (2, 4, 4),
        nn.Sequential(
            twins.Residual(nn.Conv2d(2, 2, 3, padding=1)),
            twins.Residual(
                nn.Sequential(nn.Conv2d(2, 3, 3, padding=1, stride=2), nn.BatchNorm2d(3)),
                nn.Conv2d(2, 3, 1, stride=2),
            ),
        ),
    ),
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("toy", TOYS)
def test_sections_are_sums_over_every_route(toy: str, kernel: str, seed: int) -> None:
    shape, layers = TOYS[toy]
    images = nets.images(shape, 1, seed)
    batch = held(nets.randomised(with_logits(layers, images[0]), seed), images)
    with torch.no_grad():
        for tile in (None, 1, 2):
            found = carried(batch, plan(batch, kernel, tile))
            for place in (0, shape[2] + 1, shape[1] * shape[2] // 2 + 2):
                every = twins.routes(layers, images[0], place // shape[2], place % shape[2], ADDED[kernel])
                for site, layer in enumerate(heads(layers), start=1):
                    assert close(found[site][place], every[layer])


# --- X5, X6 ------------------------------------------------------------------------------


def test_nothing_where_the_mask_is_zero_and_nothing_of_a_black_pixel() -> None:
    model, shape = nets.made("plain", 1)
    images = nets.images(shape, 2, 1)
    images[:, :, 2, 3] = 0
    batch = held(model, images)
    image, place = every_pixel(batch)
    black = place == 2 * shape[2] + 3
    for site, section in zip(batch.compiled.sites, carried(batch, plan(batch, "signed", 2)), strict=True):
        gate = batch.held.gate(site)
        if gate is not None:
            assert not section[(gate[image] == 0).view(section.shape)].any()
        assert not section[black].any()
        assert section[~black].any()
    assert all(section[black].any() for section in carried(batch, plan(batch, "signed"), init="unit")[:2])


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_shift_by_the_pooling_stride_shifts_sections(kernel: str) -> None:
    layers = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1),
        nn.ReLU(),
    )
    spot = torch.zeros(1, 64, 64, dtype=torch.float64)
    spot[0, 24:28, 28:32] = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = spot.roll((8, 4), (1, 2))
    model = nets.randomised(with_logits(layers, spot), 3)
    batch = held(model, torch.stack([spot, moved]))
    pixels = (torch.tensor([0, 1]), torch.tensor([26 * 64 + 29, 34 * 64 + 33]))
    for site, section in zip(batch.compiled.sites, carried(batch, plan(batch, kernel), pixels), strict=False):
        if site.kind == "logits":
            break
        stride = 64 // site.shape[1]
        assert section[0].any()
        assert torch.equal(section[0].roll((8 // stride, 4 // stride), (1, 2)), section[1])
        assert close(section[0].sum((1, 2)), section[1].sum((1, 2)))


# --- X7: rescaling -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["residual", "concatenations", "plain", "sums", "max_of_average"])
def test_rescaling_changes_no_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, shape = nets.made(name, 2)
    batch = held(model, nets.images(shape, 2, 2))
    plain = carried(batch, plan(batch, "plus_one", 2))
    monkeypatch.setattr(engine, "LIMIT", 0)
    image, place = every_pixel(batch)
    way = plan(batch, "plus_one", 2)
    scaled = [section.exponent.clone() for section in iterate_sections(way, batch.held, image, place)]
    assert sum(bool(exponent.any()) for exponent in scaled) >= len(scaled) - 2
    for ours, theirs in zip(carried(batch, way), plain, strict=True):
        assert torch.equal(ours, theirs)


def test_plus_one_on_vgg16_neither_overflows_nor_loses_rank() -> None:
    torch.manual_seed(0)
    model = torchvision.models.vgg16(weights=None).eval()
    narrow(model.classifier)
    images = torch.rand(1, 3, 32, 32)
    pixels = (torch.zeros(3, dtype=torch.int64), torch.tensor([0, 200, 16 * 32 + 16]))
    found = {}
    for dtype in (torch.float32, torch.float64):
        batch = held(model.to(dtype), images.to(dtype))
        way = DiffusionPlan.make(
            batch.compiled.network, "plus_one", (batch.compiled.network.site("features.28"),)
        )
        found[dtype] = [
            measure_sizes(section, "plus_one") for section in iterate_sections(way, batch.held, *pixels)
        ]
    assert bool((found[torch.float32][-1].exponent > 40).all())
    for single, double in zip(found[torch.float32], found[torch.float64], strict=True):
        exact = double.size * 2.0 ** double.exponent.double()[:, None]
        ours = single.size.double() * 2.0 ** single.exponent.double()[:, None]
        assert bool(torch.isfinite(ours).all())
        assert torch.allclose(ours, exact, rtol=1e-3, atol=0)
        order = torch.argsort(exact, dim=1, descending=True, stable=True)
        ranked, sized = ours.gather(1, order), exact.gather(1, order)
        apart = sized[:, 1:] < sized[:, :-1] * (1 - 1e-4)
        assert bool((ranked[:, 1:] < ranked[:, :-1])[apart].all())


def test_unmasked_plus_one_of_a_deep_chain_is_past_float32() -> None:
    """About 10^44 routes in an unmasked VGG-16: they are counted, in powers of two."""
    layers = [nn.Conv2d(1 if i == 0 else 64, 64, 3, padding=1) for i in range(18)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 2))
    for parameter in model.parameters():
        parameter.data.zero_()
    batch = held(model, torch.rand(1, 1, 4, 4))
    way = DiffusionPlan.make(batch.compiled.network, "plus_one", (batch.compiled.sites[18],))
    one = torch.zeros(1, dtype=torch.int64)
    last = [
        measure_sizes(section, "plus_one") for section in iterate_sections(way, batch.held, one, one, "unit")
    ][-1]
    log10 = float(last.size.double().sum().log10()) + float(last.exponent) * np.log10(2)
    band = np.eye(4) + np.eye(4, k=1) + np.eye(4, k=-1)
    along_an_axis = np.linalg.matrix_power(band, 18)[0].sum()  # ways from a corner, three at a step
    wanted = 2 * np.log10(along_an_axis) + 18 * np.log10(64)
    assert log10 == pytest.approx(wanted, abs=1e-6) and log10 > 38


# --- refusals ----------------------------------------------------------------------------


def test_unknown_kernels_and_starts_are_refused() -> None:
    model, shape = nets.made("plain")
    batch = held(model, nets.images(shape, 1, 0))
    with pytest.raises(MethodError, match="kernel='minus_one'"):
        plan(batch, "minus_one")
    with pytest.raises(MethodError, match="init='zero'"):
        carried(batch, plan(batch, "signed"), init="zero")
