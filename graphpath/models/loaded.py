"""A network with the facts about it that a trace records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from graphpath.errors import ModelError
from graphpath.models.inner import InnerNormalisation, find_inner, join_numbers
from graphpath.models.normalize import Normalize
from graphpath.modules.wrapping import as_normal, take_off, unwrap

SHOWN = 3
"""Classes named in a sentence."""


@dataclass(frozen=True)
class Probe:
    """What a network gave for one input of zeros of ``shape``, when output ``asked`` was looked for.

    ``outputs`` is how many logits it gave, None where it gave none of shape (1, classes).
    """

    shape: tuple[int, ...]
    asked: str | int | None
    outputs: int | None


@dataclass(frozen=True)
class LoadedModel:
    """A network in eval mode, its name, and the facts about its input and classes.

    Raises ModelError where ``module`` is no module, or one of its weights is not a finite number.
    """

    module: nn.Module
    name: str
    sha256: str
    classes: tuple[str, ...] | None = None
    shape: tuple[int, int, int] | None = None
    """(channels, height, width) that it was made for."""
    scheme: str | None = None
    """Name of the class scheme: "digits", "imagenet", ..."""
    wnids: tuple[str, ...] | None = None
    """The classes' WordNet ids, where they have such."""
    output: str | None = None
    """Which of several outputs is traced, in words; None: it has one."""
    origin: str | None = None
    """Whose preprocessing and classes these are: "the weights IMAGENET1K_V1 of torchvision", ..."""
    weights: str | None = None
    """Where the weights are from: "random (seed 0), ...", "from net.pt (under state_dict)", ..."""
    probe: Probe | None = None
    """What its outputs are known from; None: it was not run yet."""

    def __post_init__(self) -> None:
        check_module(self.module)
        check_finite(self.module, self.name)

    @property
    def normalisation(self) -> Normalize | None:
        """The normalisation that is the network's first step, None where pixels go in as they are."""
        own = take_off(self.module)
        first = next(own.children(), None) if isinstance(own, nn.Sequential) else None
        return first if isinstance(first, Normalize) else None

    @property
    def inner(self) -> tuple[InnerNormalisation, ...]:
        """What the network normalises by modules of its own, behind ``normalisation``."""
        return find_inner(take_off(self.module), self.normalisation)

    def describe(self) -> dict[str, object]:
        """What run.json says of it: name, weights, preprocessing and classes."""
        done = self.normalisation
        return {
            "name": self.name,
            "sha256": self.sha256,
            "weights": self.weights,
            "preprocessing": {
                "normalize": None if done is None else {"mean": done.means, "std": done.stds},
                "within": [one.describe() for one in self.inner],
                "size": None if self.shape is None else list(self.shape[1:]),
            },
            "classes": None if self.classes is None else len(self.classes),
            "scheme": self.scheme,
            "origin": self.origin,
            **({} if self.output is None else {"output": self.output}),
        }

    def to_sentence(self) -> str:
        """The same in a sentence, for a screen."""
        named = "its classes have no names"
        if self.classes is not None:
            some = ", ".join(self.classes[:SHOWN])
            named = f"{len(self.classes):,} classes ({some}{', ...' if len(self.classes) > SHOWN else ''})"
        traced = "" if self.output is None else f" Traced is {self.output}."
        source = "" if self.origin is None else f" This belongs to {self.origin}."
        weights = f" Its weights are {self.weights}." if self.weights not in (None, self.origin) else ""
        return f"Model {self.name}: {self._describe_pixels()}; {named}.{traced}{source}{weights}"

    def _describe_pixels(self) -> str:
        """What is done to them before the network, and by the network itself."""
        done, inner = self.normalisation, " and ".join(map(str, self.inner))
        if done is None:
            own = f", and the network normalises them itself: {inner}" if inner else ""
            return f"pixels in [0, 1] go in as they are{own}"
        means, stds = join_numbers(done.means), join_numbers(done.stds)
        own = f", and then once more by the network itself: {inner}" if inner else ""
        return f"pixels are normalised by the mean {means} and std {stds}{own}"


def digest_weights(module: nn.Module) -> str:
    """sha256 over the state dict in its order: names, dtypes, shapes and bytes. Device does not matter."""
    return state_digest(module.state_dict())


def state_digest(tensors: Mapping[str, object]) -> str:
    """What ``weights_digest`` says of the module that has this state dict."""
    state = hashlib.sha256()
    for name, value in tensors.items():
        # Tensors only: extra state of another kind has no agreed bytes.
        if not isinstance(value, torch.Tensor):
            continue
        tensor = value.detach().cpu().contiguous()
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def as_loaded(model: nn.Module | LoadedModel) -> LoadedModel:
    """``model`` with the facts about it; a plain module is named after its class.

    Raises ModelError where it is none, or not of finite weights.
    """
    if isinstance(model, LoadedModel):
        return model
    check_module(model)
    module = unwrap(model)
    check_ready(module, type(module).__name__)
    module = as_normal(module)
    return LoadedModel(module, type(module).__name__, digest_weights(module))


def check_module(model: object) -> None:
    """Refuse with ModelError what is no ``nn.Module``."""
    if isinstance(model, nn.Module):
        return
    if isinstance(model, str | Path):
        raise ModelError(
            f"model={str(model)!r} is a name; graphpath.models.load_model({str(model)!r}) gives the network."
        )
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise ModelError(f"model is the class {model.__name__}; expected a network: {model.__name__}(...).")
    raise ModelError(
        f"model is a {type(model).__name__}, expected a torch.nn.Module; a function has no layers to trace: "
        "make it the forward of a module."
    )


def check_ready(module: nn.Module, name: str) -> None:
    """Refuse with ModelError a network of which a weight has no values yet, or none that are real numbers."""
    for place, part in module.named_modules():
        if ".quantized" in type(part).__module__:
            raise ModelError(
                f"{name}: {place} is quantised ({type(part).__name__}), its weights are whole numbers; give "
                "the network as it was before, in floating point."
            )
    for place, value in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(value):
            raise ModelError(
                f"{name}: the weight {place} has no shape yet; run the network on an image once, or write "
                "the layer with its numbers instead of a lazy one."
            )
        if value.layout is not torch.strided or value.is_complex():
            kind = "complex" if value.is_complex() else "sparse"
            raise ModelError(f"{name}: the weight {place} is {kind}; expected dense real numbers.")
        if value.is_meta:
            raise ModelError(
                f"{name}: the weight {place} has no values (device meta); build the network on the CPU, or "
                "load its weights."
            )


def check_finite(module: nn.Module, name: str) -> None:
    """Refuse with ModelError a network of which a weight is NaN or infinite."""
    learnt = {place for place, _ in module.named_parameters()} | set(_statistics(module))
    for place, value in {**dict(module.named_buffers()), **module.state_dict()}.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.is_meta:
            continue
        # Masks of attention, which are buffers, are rightly infinite.
        bad = ~torch.isfinite(value) if place in learnt else torch.isnan(value)
        if bool(bad.any()):
            wrong = int(bad.sum())
            raise ModelError(
                f"{name}: {wrong:,} of {value.numel():,} weights of {place} are NaN or infinite, so that its "
                "logits mean nothing; use a checkpoint from before that, or train again with a smaller rate."
            )


def _statistics(module: nn.Module) -> Iterator[str]:
    """The names of buffers that norms have learnt."""
    for place, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._NormBase):
            yield from (f"{place}.{name}" if place else name for name, _ in part.named_buffers())
