"""What tests of models share."""

from __future__ import annotations

import pytest


@pytest.fixture
def contents() -> dict[str, object]:
    """Those of a checkpoint, untrained."""
    from graphpath.models.architectures import build

    arguments = {"shape": (1, 8, 8), "classes": 3, "widths": (2, 3), "hidden": 5}
    module = build("cnn", arguments)
    return {
        "architecture": "cnn",
        "arguments": arguments,
        "classes": ["a", "b", "c"],
        "shape": [1, 8, 8],
        "scheme": "letters",
        "state_dict": module.state_dict(),
        "accuracy": 0.5,
    }
