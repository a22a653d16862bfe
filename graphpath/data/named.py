"""The data sets that have names: digits, mnist, cifar10, m2nist."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphpath.data.arrays import ArrayImages
from graphpath.data.base import BaseImages
from graphpath.data.composed import compose
from graphpath.errors import DataError
from graphpath.extras import needs_extra

TEST_EVERY = 5
"""Of the bundled digits, every fifth (0, 5, 10, ...) is a test image: 360 of 1,797."""


def open_digits(split: str, root: Path | None = None, download: bool = False) -> ArrayImages:
    """The 8x8 digits bundled with scikit-learn: 1,437 to train on, 360 to test on. Reads nothing else.

    ``index`` is the position in scikit-learn's own order; pixels are its values (0 to 16) over 16.
    """
    del root, download
    with needs_extra("digits"):
        from sklearn.datasets import load_digits
    bunch = load_digits()
    number = np.arange(len(bunch.target), dtype=np.int64)
    chosen = number[(number % TEST_EVERY == 0) == (split == "test")]
    pixels = torch.from_numpy(np.asarray(bunch.images, dtype=np.float32)[chosen, None] / 16)
    names = [str(n) for n in range(10)]
    return ArrayImages("digits", split, names, pixels, bunch.target[chosen], index=chosen)


def open_mnist(split: str, root: Path | None = None, download: bool = False) -> ArrayImages:
    """MNIST through torchvision, from ``root``/MNIST/raw: 60,000 to train on, 10,000 to test on."""
    from torchvision.datasets import MNIST

    data = _open_torchvision(MNIST, "mnist", "MNIST/raw/*-ubyte", split, root, download)
    names = [str(n) for n in range(10)]
    return ArrayImages("mnist", split, names, data.data.unsqueeze(1), data.targets.numpy())


def open_cifar10(split: str, root: Path | None = None, download: bool = False) -> ArrayImages:
    """CIFAR-10 through torchvision, from ``root``/cifar-10-batches-py: 50,000 and 10,000 images.

    torchvision checks each file's digest before it reads it.
    """
    from torchvision.datasets import CIFAR10

    data = _open_torchvision(CIFAR10, "cifar10", "cifar-10-batches-py", split, root, download)
    pixels = torch.from_numpy(np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)))
    return ArrayImages("cifar10", split, data.classes, pixels, np.asarray(data.targets))


M2NIST = (64, 84)
"""The height and width of M2NIST's images."""


def open_m2nist(split: str, root: Path | None = None, download: bool = False) -> BaseImages:
    """MNIST digits composed as in M2NIST: 64 x 84 pixels, one to three digits, labelled by the leftmost.

    20,000 images to train on and 5,000 to test on, from the digits of MNIST's own splits, always the same.
    """
    digits = open_mnist(split, root, download)
    count, seed = (20_000, 0) if split == "train" else (5_000, 1)
    return compose(digits, count, M2NIST, (1, 2, 3), seed, "m2nist")


def _open_torchvision(
    make: Callable[..., Any], name: str, files: str, split: str, root: Path | None, download: bool
) -> Any:
    if root is None:
        raise DataError(f"{name}: say with root (--root) which folder holds {files}")
    try:
        return make(str(root), train=split == "train", download=download)
    except (RuntimeError, OSError, ValueError, AssertionError, EOFError) as error:
        raise DataError(
            f"{name}: {root} holds no complete copy of it; expected {root}/{files} "
            f"as torchvision stores it ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error


NAMED: dict[str, Callable[..., BaseImages]] = {
    "cifar10": open_cifar10,
    "digits": open_digits,
    "m2nist": open_m2nist,
    "mnist": open_mnist,
}
