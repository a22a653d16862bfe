"""Attributions for comparison, computed by captum on the compiled network."""

from __future__ import annotations

import warnings

from captum.attr import (
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    Saliency,
)
from torch import Tensor

from graphpath.attribution.target_module import TargetModule
from graphpath.errors import MethodError
from graphpath.network import Site
from graphpath.tracing.batch import Batch
from graphpath.tracing.targets import find_site


def gradient(batch: Batch) -> Tensor:
    """df/dx (Simonyan et al. 2014), signed: (N, C, H, W)."""
    return _run_captum(Saliency(_build_module(batch)), batch, abs=False)


def input_x_gradient(batch: Batch) -> Tensor:
    """``x * df/dx`` (Shrikumar et al. 2016): (N, C, H, W)."""
    return _run_captum(InputXGradient(_build_module(batch)), batch)


def integrated_gradients(batch: Batch, *, steps: int = 50) -> Tensor:
    """Integrated Gradients from black (Sundararajan et al. 2017), Gauss-Legendre rule: (N, C, H, W).

    Args:
        steps: evaluations of the gradient along the path from black.

    Raises:
        MethodError: there are no steps.
    """
    if steps < 1:
        raise MethodError(f"steps={steps} is out of range; expected at least 1.")
    found = IntegratedGradients(_build_module(batch))
    return _run_captum(found, batch, n_steps=steps, internal_batch_size=len(batch.images))


def grad_cam(batch: Batch, *, layer: str = "last") -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017), brought to the images' size bilinearly: (N, 1, H, W), none negative.

    Args:
        layer: the layer whose maps are weighed by the means of their gradients, by name; ``"last"`` is the
            last one before the target whose maps have more than one place.

    Raises:
        MethodError: there is no such layer.
    """
    site = _choose_layer(batch, layer)
    module = _build_module(batch)
    found = _run_captum(LayerGradCam(module, module.steps[site.after]), batch, relu_attributions=True)
    resized: Tensor = LayerAttribution.interpolate(found, tuple(batch.images.shape[2:]), "bilinear")
    return resized


def guided_backprop(batch: Batch) -> Tensor:
    """Guided Backpropagation (Springenberg et al. 2015): negative gradients stop at ReLUs. (N, C, H, W).

    Raises:
        MethodError: the network has no ReLU, so there is nothing to guide.
    """
    module = _build_module(batch)
    if not module.has_relu:
        raise MethodError("guided_backprop guides at ReLUs, and the network has none.")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting backward hooks on ReLU activations")
        return _run_captum(GuidedBackprop(module), batch)


def _build_module(batch: Batch) -> TargetModule:
    return TargetModule(batch.compiled.network, batch.goal)


def _run_captum(method: object, batch: Batch, **options: object) -> Tensor:
    images = batch.images.detach().clone().requires_grad_(True)
    found: Tensor = method.attribute(images, additional_forward_args=(batch.held.seed,), **options)  # type: ignore[attr-defined]
    return found.detach()


def _choose_layer(batch: Batch, layer: str) -> Site:
    before = [site for site in batch.compiled.sites[: batch.goal.number] if batch.held.leads[site.number]]
    if layer != "last":
        site = find_site(layer, batch.compiled.network)
        if site not in before:
            raise MethodError(f"layer={layer!r} does not lead to the target.")
        before = [site]
    extended = [site for site in before if site.number > 0 and site.shape[1] * site.shape[2] > 1]
    if not extended:
        raise MethodError("grad_cam needs a layer before the target whose maps have more than one place.")
    return extended[-1]
