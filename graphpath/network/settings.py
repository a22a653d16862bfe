"""What the images of a batch set in a network, and the held network holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Settings:
    """By step: the switches of max-pools, the scales and shifts of gates and of norms over one image.

    ``switches[step]`` (N, C, H', W') int64 are the winners' places in the planes of the pool's input,
    ``scales[step]`` and ``shifts[step]`` (N, *shape) what an entry is multiplied by and what is added
    (no entry: nothing is). ``matrices[step]`` (N, B, R, K) are what places are mixed by.
    """

    switches: dict[int, Tensor] = field(default_factory=dict)
    scales: dict[int, Tensor] = field(default_factory=dict)
    shifts: dict[int, Tensor] = field(default_factory=dict)
    matrices: dict[int, Tensor] = field(default_factory=dict)

    def of(self, image: Tensor) -> Settings:
        """What the images ``image`` (Q,) int64 of the batch set."""
        kinds = (self.switches, self.scales, self.shifts, self.matrices)
        return Settings(*({step: values[image] for step, values in kind.items()} for kind in kinds))
