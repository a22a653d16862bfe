"""What ``measure`` works with: one network, its images, and a store that is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import torch

from graphpath.attacks import attack
from graphpath.data import BaseImages, TensorImages, open_images
from graphpath.data.rows import choose_balanced
from graphpath.errors import StudyError
from graphpath.ids import digest
from graphpath.models import LoadedModel, predict
from graphpath.modules.state import evaluating
from graphpath.progress import Progress, as_progress
from graphpath.queries import find
from graphpath.queries.limits import lift_limits
from graphpath.record import Trace
from graphpath.record.files import write_atomically
from graphpath.report.source import format_command
from graphpath.stores import Store, open_store
from graphpath.studies.setting import Setting
from graphpath.tracing import trace

if TYPE_CHECKING:
    import pandas as pd

SHORT = 12


@dataclass(eq=False)
class Bench:
    """One unit's place of work; a context manager, which closes the store at its end.

    Traces, attacked images and the store belong to the network, and are shared by all studies of it.
    """

    setting: Setting
    seed: int
    network: str
    """"trained" or "random weights"."""
    model: LoadedModel
    options: Mapping[str, Any]
    part: str = ""
    progress: Progress | None = None
    asked: list[str] = field(default_factory=list)
    """The commands and calls that gave the answers so far."""

    @cached_property
    def test(self) -> BaseImages:
        """All labelled test images, with the numbers that their classes have for the network."""
        return self.setting.match(self.model, self.setting.images())

    def images(self, count: int) -> BaseImages:
        """``count`` test images, as evenly from all classes as possible; another seed takes other images."""
        return self.test.limit(count, self.seed)

    def other_images(self, count: int, beside: int) -> BaseImages:
        """``count`` test images that are none of ``images(beside)``. Raises StudyError where none is left."""
        taken = choose_balanced(self.test.labels, beside, self.seed) if beside < len(self.test) else None
        left = np.arange(0) if taken is None else np.setdiff1d(np.arange(len(self.test)), taken)
        if not len(left):
            raise StudyError(
                f"{self.setting.data} has {len(self.test)} test images, and {beside} of them leave none for "
                "what must be measured on others: ask for fewer images (--option images=...)."
            )
        return self.test.subset(left).limit(count, self.seed)

    def trace(self, images: BaseImages, **options: Any) -> Trace:
        """The images' pathways, as ``gp.trace`` gives them, loaded into ``store``; made once."""
        key = digest(self.model.sha256, images.fingerprint, options)[:SHORT]
        traced = trace(
            self.model,
            images,
            out=self.setting.folder / "traces" / key,
            device=self.setting.device,
            progress=lambda done, total: self.show_progress("tracing", done, total),
            **options,
        )
        scheme = self.setting.scheme
        self.store.load(
            traced, categories=scheme, progress=lambda done, total: self.show_progress("loading", done, total)
        )
        return traced

    def attack(
        self, images: BaseImages, name: str, epsilon: float | None, targeted: int | str | None = None
    ) -> BaseImages:
        """What the attack makes of the images, each with its original as parent; made once."""
        key = digest(self.model.sha256, images.fingerprint, name, epsilon, targeted, self.seed)[:SHORT]
        out = self.setting.folder / "attacks" / key
        attack(
            self.model,
            images,
            name,
            epsilon,
            out=out,
            targeted=targeted,
            seed=self.seed,
            progress=lambda done, total: self.show_progress(f"attacking by {name}", done, total),
        )
        return open_images(str(out))

    def predict(self, images: BaseImages) -> npt.NDArray[np.int64]:
        """The class that the network gives each image: (N,)."""
        with evaluating(self.model.module):
            return predict(self.model.module, images)

    def deal_groups(self, kinds: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The group of each image, as evenly within each of ``kinds`` as possible: (N,), alike in all units.

        This unit's own group is ``self.place``.
        """
        count = len(self.setting.seeds)
        random = np.random.default_rng(int(digest("groups", len(kinds), count)[:15], 16))
        order = random.permutation(len(kinds))
        sorted_ = order[np.argsort(kinds[order], kind="stable")]
        groups = np.empty(len(kinds), np.int64)
        groups[sorted_] = np.arange(len(kinds)) % count
        return groups

    @property
    def place(self) -> int:
        """The place of this unit's seed among the setting's."""
        return self.setting.seeds.index(self.seed)

    def name_categories(self, images: BaseImages) -> npt.NDArray[np.str_]:
        """The category of each image's class in ``Setting.scheme``, "" for none: (N,)."""
        scheme = self.setting.scheme
        known = scheme.match(dict(enumerate(images.classes))) if scheme else {}
        return np.array([known.get(int(label), "") for label in images.labels], dtype=np.str_)

    def derive(
        self,
        pixels: torch.Tensor,
        parents: BaseImages,
        which: Sequence[int] | np.ndarray,
        variant: str,
        details: Sequence[Mapping[str, object]],
    ) -> BaseImages:
        """Images made from others: ``which`` are their parents' positions, ``details`` what was done."""
        rows = parents.rows().take(np.asarray(which, np.int64))
        return TensorImages(
            pixels,
            rows["label"].to_numpy(),
            dataset=parents.dataset,
            split=parents.split,
            classes=parents.classes,
            scheme=parents.scheme,
            variant=variant,
            parents=rows["sample"].to_pylist(),
            details=details,
        )

    @cached_property
    def store(self) -> Store:
        """The embedded store of the network's pathways."""
        path = self.setting.folder / "stores" / f"{self.model.sha256[:SHORT]}.lbdb"
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_store(path)

    def ask(self, query: str, **parameters: Any) -> pd.DataFrame:
        """The answer of a named query of ``store``, whole unless a limit is given."""
        parameters = lift_limits(find(query), parameters)
        self.asked.append(format_command(query, str(self.store.uri), parameters))
        return self.store.query(query, **parameters)

    def analyse(self, analysis: Callable[..., pd.DataFrame], traced: Trace, **arguments: Any) -> pd.DataFrame:
        """The answer of one of ``graphpath.analysis`` on a trace."""
        words = {name: "..." if isinstance(value, dict) else repr(value) for name, value in arguments.items()}
        shown = ", ".join([repr(str(traced.path)), *(f"{name}={word}" for name, word in words.items())])
        self.asked.append(f"graphpath.analysis.{analysis.__name__}({shown})")
        return analysis(traced, **arguments)

    def random_generator(self, *salt: object) -> np.random.Generator:
        """Random numbers of this seed's own; another ``salt``, others."""
        return np.random.default_rng(int(digest(self.seed, *salt)[:15], 16))

    def show_progress(self, what: str, done: int, total: int) -> None:
        """Show progress."""
        as_progress(self.progress)(what, done, total)

    def make_once(
        self, name: str, images: BaseImages, layers: Sequence[int], make: Callable[[], pd.DataFrame]
    ) -> pd.DataFrame:
        """A table about layers of the network and ``images`` that its units share, by ``name``; made once."""
        import pandas as pd

        file = self.make_folder(name) / f"{digest(images.fingerprint, layers)[:SHORT]}.parquet"
        if not file.is_file():
            table = make()
            write_atomically(file, lambda path: table.to_parquet(path, index=False))
        return pd.read_parquet(file)

    def make_folder(self, *parts: str) -> Path:
        """A folder for further files of a study, of work that ``trace`` and ``attack`` do not cover."""
        path = self.setting.folder.joinpath("work", self.model.sha256[:SHORT], *parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "store" in self.__dict__:
            self.store.close()
