"""How a detector's pathways were traced."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from graphpath.errors import ModelError, StoreError
from graphpath.record import Trace
from graphpath.stores.runs import INCIDENTAL, comparison_key


@dataclass(frozen=True)
class TracingSetup:
    """How the pathways that a detector knows were traced: those it scores must be traced alike."""

    model: str
    sha256: str
    method: str
    parameters: dict[str, Any]
    comparable: str

    @classmethod
    def from_row(cls, row: Mapping[Hashable, str]) -> TracingSetup:
        """From a row of ``runs/all``."""
        options = json.loads(row["parameters"])
        return cls(row["model"], row["sha256"], row["method"], options, row["comparable"])

    def check_model(self, name: str, sha256: str) -> None:
        """Refuse another network with ModelError."""
        if sha256 != self.sha256:
            raise ModelError(
                f"The detector was fitted on {self.model} (weights {self.sha256[:12]}), not on {name} "
                f"(weights {sha256[:12]}): give that model, or fit a detector on this one's pathways."
            )

    def check_trace(self, trace: Trace) -> None:
        """Refuse a trace of another network, method or option."""
        model, run = trace.run["model"], trace.run
        self.check_model(str(model["name"]), str(model["sha256"]))
        offset = int(trace.layers().to_table(columns=["offset"])["offset"][0].as_py())
        if comparison_key(run, offset) == self.comparable:
            return
        if run.get("method") != self.method:
            raise StoreError(
                f"{trace.path} was traced by {run.get('method')}, the detector's runs by {self.method}."
            )
        theirs = run.get("parameters", {})
        other = [
            f"{name}={theirs.get(name)} instead of {ours}"
            for name, ours in self.parameters.items()
            if name not in INCIDENTAL and ours != theirs.get(name)
        ]
        raise StoreError(
            f"{trace.path} was traced otherwise than the detector's runs: "
            f"{', '.join(other) or 'what the method learned differs; use --fitted-on'}."
        )
