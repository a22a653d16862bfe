"""Whatever is given as images: taken, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import graphpath as gp
from graphpath.attacks import attack
from graphpath.data import as_images
from graphpath.errors import DataError, GraphpathError, MethodError
from graphpath.tracing.targets import normalise_target

PIXELS = (torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4) % 256).to(torch.uint8)
PICTURES = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in PIXELS]
FLOATS = PIXELS / 255


class Items(Dataset[Any]):
    """A data set of what it is given."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


class Stream(IterableDataset[Any]):
    """Gone through once."""

    def __iter__(self) -> Any:
        return iter([(FLOATS[0], 1)])


@pytest.mark.parametrize(
    "given",
    [
        PIXELS,
        PIXELS.numpy(),
        PIXELS.numpy()[:, :, ::-1][:, :, ::-1],
        FLOATS,
        FLOATS.numpy().astype(">f4"),
        list(PIXELS),
        tuple(FLOATS.numpy()),
        PICTURES,
        Items([(image, 1) for image in FLOATS]),
        [(image, 1) for image in FLOATS],
        TensorDataset(FLOATS, torch.tensor([1, 1])),
        TensorDataset(FLOATS),
        DataLoader(Items(list(PIXELS))),
    ],
)
def test_images_of_any_kind_are_the_same_pixels(given: Any) -> None:
    images = as_images(given)
    assert torch.allclose(images.batch(0, 2), FLOATS)
    assert images.rows().num_rows == 2


def test_narrow_floats_are_widened() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        images = as_images(FLOATS.to(dtype), [0, 1])
        assert images.batch(0, 2).dtype == torch.float32 and images.rows().num_rows == 2
    assert as_images(PICTURES[0]).batch(0, 1).shape == (1, 3, 4, 4)
    assert as_images(PICTURES[0].convert("L")).shape == (1, 4, 4)
    assert as_images(PICTURES[0].convert("RGBA")).shape == (3, 4, 4)


@pytest.mark.parametrize(
    "given",
    [
        None,
        3,
        "folder",
        Path("folder"),
        {"a": FLOATS},
        lambda: FLOATS,
        [],
        np.zeros((0, 3, 4, 4), np.float32),
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((2, 3, 4, 4), object),
        np.zeros((2, 3, 4, 4), np.int64),
        np.array(["a"]),
        FLOATS[0, 0, 0],
        FLOATS.bool(),
        FLOATS * torch.nan,
        [FLOATS[0], FLOATS[1, :, :2]],
        [FLOATS[0], None],
        ["a.png", "b.png"],
        PICTURES[0].convert("F"),
        Items([]),
        Items([(PICTURES[0], 1)]),
        Items([{"pixels": FLOATS[0]}]),
        Items([(FLOATS[0], "cat")]),
        Items([(FLOATS[0], None)]),
        Items([(FLOATS[0], 0.5)]),
        Stream(),
        DataLoader(Stream()),
        Image,
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_images_is_refused_in_a_sentence(given: Any) -> None:
    with pytest.raises(DataError) as refused:
        as_images(given).rows()
    assert "\n" not in str(refused.value)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (np.int64(2), 2),
        (np.uint8(2), 2),
        (torch.tensor(2), 2),
        (np.array(2), 2),
        ((np.int64(1), "own"), (1, "own")),
        ("own", "own"),
    ],
)
def test_a_class_is_a_number_of_any_kind(given: Any, found: object, tmp_path: Path) -> None:
    assert normalise_target(given) == found
    trace = gp.trace(net(), FLOATS, target=given, out=tmp_path / "t", routes=0)
    assert trace.counts["pathways"] == 2


@pytest.mark.parametrize("given", [np.array([2, 0]), [2, 0], torch.tensor([2, 0], dtype=torch.int16)])
def test_a_class_for_each_image(given: Any, tmp_path: Path) -> None:
    trace = gp.trace(net(), FLOATS, target=given, out=tmp_path / "t", routes=0)
    assert trace.pathways().to_table()["target"].to_pylist() == [2, 0]
    assert trace.run["parameters"]["target"] == [2, 0]


@pytest.mark.parametrize(
    "given",
    [
        2.0,
        True,
        None,
        np.bool_(True),
        float("nan"),
        10**30,
        -1,
        3,
        "2",
        [0.5, 1],
        [[0, 1]],
        ["a", "b"],
        [0],
        (1, 2.5),
        (1,),
        (1, 1),
        (0, 10**30),
        {0, 1},
        {"class": 1},
        torch.tensor([1.0, 2.0]),
        torch.tensor([0, 9]),
    ],
)
def test_a_target_that_is_none_is_refused(given: Any, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="target"):
        gp.trace(net(), FLOATS, target=given, out=tmp_path / "t", routes=0)


def test_a_place_is_of_whole_numbers() -> None:
    assert gp.at("0", np.int64(1)) == gp.at("0", 1)
    for wrong in (0.5, None, "1", True):
        with pytest.raises(MethodError, match="channel"):
            gp.at("0", wrong)  # type: ignore[arg-type]


def test_an_attack_takes_what_a_trace_takes(tmp_path: Path) -> None:
    made = attack(net(), FLOATS, "fgsm", 0.1, labels=[0, 1], out=tmp_path / "a")
    assert made.samples()["label"].to_pylist() == [0, 1]
    assert len(attack(net(), PICTURES, "fgsm", 0.1, out=tmp_path / "b")) == 2
    for wrong in (lambda: None, "resnet18", 7):
        with pytest.raises(GraphpathError):
            attack(wrong, FLOATS, "fgsm", 0.1, out=tmp_path / "c")  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("method", ["lrp", "effective_path", "greedy", "neuron_mct", "channels"])
def test_a_black_image_has_a_pathway_of_its_own(method: str, batch: int, tmp_path: Path) -> None:
    """Without constants nothing at all flows: no edge, at every batch size."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False)
    )
    images = torch.cat([torch.zeros(1, 3, 4, 4), FLOATS[:1], torch.zeros(1, 3, 4, 4)])
    trace = gp.trace(model, images, method=method, batch=batch, out=tmp_path / "t", routes=1)
    rows = trace.pathways().to_table()
    assert rows["edges"].to_pylist()[::2] == [0, 0]
    if method == "lrp":
        assert rows["edges"].to_pylist()[1] > 0
