"""From an ``nn.Module`` to a program of graphpath's own operations.

The module is captured as a graph of ATen operations on one image; the dialect says what each means. At the
end the program must give what the module itself gives, for each of two images in one batch, or it is refused.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from graphpath.errors import NetworkError, UnsupportedOperation
from graphpath.modules.wrapping import name_of
from graphpath.network.capture import Capture, capture, in_one_line
from graphpath.network.dialect import has_rule, rule_for
from graphpath.network.heads import Output, find_output
from graphpath.network.operations import MatrixPair, Opaque
from graphpath.network.permutes import move_permutes
from graphpath.network.program import Program
from graphpath.network.walk import Lowering

PROBE = 2
"""Images in the batch that the program is checked on: two, so that a network that mixes them is noticed."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """A program, which output of its module it gives, and what both gave for the images it was checked on.

    ``ours`` are the program's and ``theirs`` the module's own values of that output for ``probe`` (2, ...).
    """

    program: Program
    output: Output
    probe: Tensor
    ours: Tensor
    theirs: Tensor

    def still_gives(self, module: nn.Module) -> bool:
        """Whether the module in evaluation mode and the program give, bit for bit, what they gave then."""
        return torch.equal(_of_batch(module, self.probe, self.output), self.theirs) and torch.equal(
            self.output.finish(self.program.run(self.probe)), self.ours
        )


def lower(module: nn.Module, image: Tensor) -> Lowered:
    """The program of ``module``, which is in evaluation mode, for images like ``image`` (C, H, W).

    Raises UnsupportedOperation, which names the operation and its place, or NetworkError where torch.export
    cannot capture the module, where it cannot take such images, or the program's logits differ from its own.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand((PROBE, *image.shape), generator=generator, dtype=torch.float64)
    probe = noise.to(device=image.device, dtype=image.dtype)
    captured = capture(module, probe[:1], has_rule)
    output = find_output(captured)
    program = _lowered(captured, probe[:1], output)
    ours, theirs = _check(program, module, probe, output, _coarsest(captured))
    return Lowered(program, replace(output, logits=None), probe, ours, theirs)


def _lowered(captured: Capture, image: Tensor, output: Output) -> Program:
    program = _walked(captured, image, output, halves=False)
    if any(isinstance(program.steps[number].operation, MatrixPair) for number in program.carrying()):
        program = _walked(captured, image, output, halves=True)
    _refuse_opaque(program)
    return program


def _walked(captured: Capture, image: Tensor, output: Output, halves: bool) -> Program:
    program = Lowering(captured, image, rule_for, halves).walk(output.logits)
    return move_permutes(program.pruned()).folded().named()


_REMEDY = (
    "Only its value is known: it may make a gate, a pattern or a condition, but the logits are made of it. "
    "Write it with operations that are taken (graphpath/network/README.md lists them), or trace a module "
    "that ends before it."
)


def _refuse_opaque(program: Program) -> None:
    """Raise UnsupportedOperation if the logits depend on the image through what cannot be taken apart."""
    carrying = program.carrying()
    for number, step in enumerate(program.steps):
        if number in carrying and isinstance(step.operation, Opaque):
            raise UnsupportedOperation(f"{step.operation.why}. {_REMEDY}")


def _coarsest(captured: Capture) -> float:
    """The largest step, near 1, of the types that a network computes in: its own casts round."""
    graphs = [captured.graph, *(part.graph for part in captured.submodules.values())]
    values = [node.meta.get("val") for graph in graphs for node in graph.nodes]
    return max(
        (torch.finfo(v.dtype).eps for v in values if isinstance(v, Tensor) and v.dtype.is_floating_point),
        default=0.0,
    )


def _check(
    program: Program, module: nn.Module, probe: Tensor, output: Output, coarsest: float
) -> tuple[Tensor, Tensor]:
    """The values of the program and of the module for images of one batch; NetworkError where they differ.

    What the module's own rounding makes of them, in the ``coarsest`` type that it computes in, is no fault.
    """
    ours = output.finish(program.run(probe))
    theirs = _of_batch(module, probe, output)
    if _agree(ours, theirs) or (
        coarsest > torch.finfo(probe.dtype).eps and _agree(ours, theirs, least=min(0.05, 1e3 * coarsest))
    ):
        return ours, theirs
    alone = torch.cat([_of_batch(module, probe[i : i + 1], output) for i in range(len(probe))])
    if not _agree(theirs, alone, 10) and not _is_as_near_as_rounding(alone, theirs, module, probe, output):
        raise UnsupportedOperation(_mixing(module, "gives other logits"))
    if _is_as_near_as_rounding(ours, theirs, module, probe, output):
        return ours, theirs
    if not _agree_in_double(module, probe, output):
        raise NetworkError(
            f"graphpath's reading of {name_of(module)} gives other logits than the network itself"
            f"{_largest_difference(ours, theirs)}. It is no rounding: please report the network."
        )
    return ours, theirs


def _mixing(module: nn.Module, what: str) -> str:
    return (
        f"{name_of(module)} mixes the images of a batch: it {what} for an image alone than beside "
        "another. Keep the batch dimension apart (x.flatten(1), not x.view(-1)), and normalise by "
        "statistics that are stored"
    )


def _of_batch(module: nn.Module, images: Tensor, output: Output) -> Tensor:
    """The module's own logits (N, classes)."""
    try:
        found = output.pick(module(images))
    except Exception as error:
        raise UnsupportedOperation(
            f"{name_of(module)} takes one image at a time only: a batch of {len(images)} gives "
            f"{in_one_line(error)}. Keep the batch dimension: x.flatten(1) in place of x.view(-1)"
        ) from error
    if found.dim() == 0 or found.shape[0] != len(images):
        raise UnsupportedOperation(
            _mixing(module, f"gives {tuple(found.shape)} for {len(images)} images, others")
        )
    return found.reshape(len(images), -1)


def _is_as_near_as_rounding(
    ours: Tensor, theirs: Tensor, module: nn.Module, probe: Tensor, output: Output
) -> bool:
    """Whether the module's own logits move as far, but for a factor, where its images move by rounding."""
    if ours.shape != theirs.shape:
        return False
    noise = torch.randn(probe.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    nudged = probe * (1 + torch.finfo(probe.dtype).eps * noise.to(probe))
    moved = (_of_batch(module, nudged, output) - theirs).abs().max()
    return float((ours - theirs).abs().max()) <= 30 * float(moved)


def _agree(ours: Tensor, theirs: Tensor, slack: float = 1, least: float = 0) -> bool:
    tolerance = max(least, slack * (1e-9 if ours.dtype == torch.float64 else 1e-3))
    scale = float(theirs.abs().max()) or 1.0
    return ours.shape == theirs.shape and float((ours - theirs).abs().max()) <= tolerance * scale


def _largest_difference(ours: Tensor, theirs: Tensor) -> str:
    if ours.shape != theirs.shape:
        return f": {tuple(ours.shape[1:])} in place of {tuple(theirs.shape[1:])}"
    apart = (ours - theirs).abs()
    image, output = divmod(int(apart.argmax()), apart.shape[1])
    got, wanted = float(ours[image, output]), float(theirs[image, output])
    return f": {got:.6g} in place of {wanted:.6g} for output {output}"


def _agree_in_double(module: nn.Module, probe: Tensor, output: Output) -> bool:
    """The same comparison in float64, where rounding is not taken for a fault."""
    if probe.dtype == torch.float64:
        return False
    try:
        twin: nn.Module = copy.deepcopy(module).double()
        image = probe.double()
        captured = capture(twin, image[:1], has_rule)
        ours = output.finish(_lowered(captured, image[:1], find_output(captured)).run(image))
        return _agree(ours, _of_batch(twin, image, output))
    except (RuntimeError, TypeError, NetworkError):
        return False
