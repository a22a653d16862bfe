"""Processes that share a trace: ``torchrun`` starts them, each takes its share of the parts.

Parts are the same, whoever writes them, so a trace made by many equals one made alone, and one that was
interrupted goes on with any number of processes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as distributed

PATIENCE = timedelta(days=7)
"""How long a rank waits for the others; where one fails, torchrun ends them all."""


@dataclass(frozen=True)
class Rank:
    """One of ``count`` processes."""

    number: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def here(cls) -> Rank:
        """This process among those that torchrun started, or the only one."""
        if not distributed.is_available() or not distributed.is_torchelastic_launched():
            return cls()
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        return cls(*(int(os.environ[name]) for name in names))

    @property
    def first(self) -> bool:
        """Whether it is the one that begins and finishes the record."""
        return self.number == 0

    def is_mine(self, part: int) -> bool:
        """Whether a part is this process's to write."""
        return part % self.count == self.number

    def choose_device(self, device: str | torch.device) -> str | torch.device:
        """``device``; where that is CUDA and no number is given, this process's own GPU."""
        if self.count > 1 and str(device) == "cuda":
            return f"cuda:{self.local % max(1, torch.cuda.device_count())}"
        return device

    def wait_for_all(self) -> None:
        """Wait until every process is here."""
        if self.count == 1:
            return
        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=PATIENCE)
        distributed.barrier()
