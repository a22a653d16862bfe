"""A detector's features: per layer, the share of a pathway inside two class pathways (Qiu et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from graphpath.analysis.grouping import group_samples
from graphpath.analysis.resemblance import resemblance
from graphpath.classes import CLASSES
from graphpath.queries import query_all
from graphpath.queries.units import NEURON

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.record import Trace
    from graphpath.stores.base import Store

SHARES: Final = ("in_first", "in_second", "weighted_first", "weighted_second")
ALL: Final = -1
"""The layer that stands for all layers together."""


def features_of_runs(
    store: Store,
    reference: str,
    runs: Sequence[str],
    layers: Sequence[int],
    scheme: str = CLASSES,
    unit: str = NEURON,
) -> pd.DataFrame:
    """A row for each pathway of the store's ``runs``: see ``pivot_layers``. Raises RunNotFound."""
    asked = {"references": [reference], "runs": list(runs), "scheme": scheme, "unit": unit}
    frame = store.query("adversarial/class_similarity", **asked)
    return pivot_layers(frame, layers)


def features_of_trace(
    store: Store,
    reference: str,
    trace: Trace,
    layers: Sequence[int],
    scheme: str = CLASSES,
    unit: str = NEURON,
) -> pd.DataFrame:
    """A row for each pathway of a trace that need not be in the store: see ``pivot_layers``."""
    return pivot_layers(resemblance(store, trace, reference, scheme=scheme, unit=unit), layers)


def pivot_layers(frame: pd.DataFrame, layers: Sequence[int]) -> pd.DataFrame:
    """Rows of ``adversarial/class_similarity`` as one row a pathway, columns (layer, share), in [0, 1].

    A pathway without edges in a layer, or whose class has no pathway, has no share there: 0.
    """
    import pandas as pd

    columns = pd.MultiIndex.from_product([layers, SHARES], names=["layer", "share"])
    shares = frame.pivot(index="pathway", columns="layer", values=list(SHARES)).swaplevel(axis=1)
    return shares.reindex(columns=columns).astype(float).fillna(0.0)


def list_layers(store: Store, run: str) -> dict[int, str]:
    """The names of the layers into which pathways have edges, and of all together, by number."""
    found = store.query("pathways/layers", run=run)
    inner = found[found.layer > 0]
    return {ALL: "all layers", **dict(zip(inner.layer.tolist(), inner.name.tolist(), strict=True))}


def list_samples(store: Store, runs: Sequence[str], scheme: str = CLASSES) -> pd.DataFrame:
    """One row a pathway of the runs, as ``pathways/of_run`` has them, with the run and the categories of its
    classes (``graphpath.analysis.grouping``).
    """
    import pandas as pd

    frames = [
        group_samples(store, run, query_all(store, "pathways/of_run", run=run), scheme).assign(run=run)
        for run in runs
    ]
    return pd.concat(frames, ignore_index=True)
