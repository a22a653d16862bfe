"""What is said of preprocessing: ``--mean`` and ``--std``, a name, or none, instead of the model's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphpath.errors import ModelError
from graphpath.models.normalize import Normalize
from graphpath.spoken import format_argument

NONE = "none"
KNOWN: dict[str, tuple[Sequence[float], Sequence[float]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
}
"""Mean and std of the training images by channel: torchvision's for ImageNet; CIFAR-10's over all pixels."""

LARGEST = 2.0
"""A mean beyond it is of pixels from 0 to 255."""

Numbers = Sequence[float] | float | str


@dataclass(frozen=True)
class Given:
    """What was asked for: a normalisation, or with None that pixels go in as they are."""

    normalisation: Normalize | None
    words: str
    """The option that said it."""


def read_given(
    preprocess: str | None, mean: Numbers | None, std: Numbers | None, normalize: str | None
) -> Given | None:
    """The preprocessing that the caller gives; None where it is left to the model.

    Raises ModelError where it is given twice, by half, or is no numbers.
    """
    by_numbers = mean is not None or std is not None
    if sum((preprocess is not None, by_numbers, normalize is not None)) > 1:
        raise ModelError(
            f"preprocessing is given twice; expected one of {format_argument('preprocess')}, "
            f"{format_argument('normalize')}, or {format_argument('mean')} and {format_argument('std')}"
        )
    if normalize is not None:
        return _find_known(normalize)
    if preprocess is not None:
        return Given(_parse_both(preprocess), format_argument("preprocess", preprocess))
    if not by_numbers:
        return None
    if mean is None or std is None:
        raise ModelError(
            f"{format_argument('mean')} and {format_argument('std')} belong together; give both, a number a "
            "channel"
        )
    made = _make_normalize(_parse_numbers(mean, "mean"), _parse_numbers(std, "std"))
    return Given(made, f"{format_argument('mean')} and {format_argument('std')}")


def _find_known(name: str) -> Given:
    said = format_argument("normalize", name)
    if name == NONE:
        return Given(None, said)
    if name not in KNOWN:
        raise ModelError(
            f"{format_argument('normalize', repr(name))} is unknown; expected {', '.join(KNOWN)} or {NONE}; "
            f"or give numbers: {format_argument('mean')} and {format_argument('std')}"
        )
    return Given(_make_normalize(*KNOWN[name]), said)


def _parse_both(text: str) -> Normalize | None:
    if text == NONE:
        return None
    try:
        mean, std = ([float(value) for value in side.split(",")] for side in text.split("/"))
    except ValueError as error:
        raise ModelError(
            f"preprocess={text!r}: expected none, or MEAN/STD of each channel, such as "
            "0.485,0.456,0.406/0.229,0.224,0.225"
        ) from error
    return _make_normalize(mean, std)


def _parse_numbers(given: Numbers, name: str) -> list[float]:
    if isinstance(given, int | float):
        return [float(given)]
    try:
        return [float(one) for one in (given.strip("()[] ").split(",") if isinstance(given, str) else given)]
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{format_argument(name, str(given))}: expected a number for each channel, such as "
            "0.485,0.456,0.406"
        ) from error


def _make_normalize(mean: Sequence[float], std: Sequence[float]) -> Normalize:
    if any(abs(value) > LARGEST for value in mean):
        scaled = ",".join(f"{value / 255:.4g}" for value in mean)
        raise ModelError(
            f"mean {','.join(f'{value:g}' for value in mean)}: pixels are in [0, 1] here, not up to 255; "
            f"divide by 255 ({scaled}), and the std too"
        )
    return Normalize(mean, std)
