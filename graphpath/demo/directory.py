"""The demo's own directory. Nothing is ever written into, or deleted from, somebody else's."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from graphpath.errors import DataError

MARKER = "demo.json"
VERSION = 1


@dataclass(frozen=True)
class DemoPaths:
    """The paths of everything in a demo."""

    root: Path

    @property
    def model(self) -> Path:
        return self.root / "cnn-digits.pt"

    @property
    def originals(self) -> Path:
        return self.root / "images" / "original"

    @property
    def adversarials(self) -> Path:
        return self.root / "images" / "adversarial"

    @property
    def traces(self) -> tuple[Path, Path]:
        return self.root / "traces" / "original", self.root / "traces" / "adversarial"

    @property
    def store(self) -> Path:
        return self.root / "pathways.lbdb"

    @property
    def report(self) -> Path:
        return self.root / "report.html"


def claim(root: Path, seed: int) -> DemoPaths:
    """``root`` as a demo directory for ``seed``: new, taken up again, or, of another seed, begun anew.

    Raises:
        DataError: it holds something that no demo made, or cannot be written.
    """
    marker = {"graphpath.demo": VERSION, "seed": seed}
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())) and _read_marker(root) != marker:
            _clear(root)
        root.mkdir(parents=True, exist_ok=True)
        (root / MARKER).write_text(json.dumps(marker) + "\n")
    except OSError as error:
        raise DataError(f"{root} cannot be written: {error.strerror or error}.") from error
    return DemoPaths(root)


def _read_marker(root: Path) -> dict[str, object]:
    """What the marker says. Raises DataError for a directory without one."""
    try:
        found = json.loads((root / MARKER).read_text())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or "graphpath.demo" not in found:
        raise DataError(
            f"{root} exists and is no demo directory (it has no {MARKER}): choose another one with --out."
        )
    return found


def _clear(root: Path) -> None:
    """Removes what a demo of another seed or version made, and only that."""
    paths = DemoPaths(root)
    for folder in (root / "images", root / "traces"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (paths.model, paths.report, *root.glob(f"{paths.store.name}*")):
        if file.is_dir():
            shutil.rmtree(file)
        else:
            file.unlink(missing_ok=True)
