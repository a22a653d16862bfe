"""A fitted detector: it scores images, and explains where they leave the pathway of their class."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphpath.analysis.grouping import read_grouping
from graphpath.analysis.resemblance import outside_class
from graphpath.classes import CLASSES
from graphpath.detect import features
from graphpath.detect.scorers import Scorer, from_json
from graphpath.detect.traced import TracingSetup
from graphpath.errors import RecordError, RunNotFound, StoreError
from graphpath.queries.units import NEURON
from graphpath.record import Trace
from graphpath.record.description import DIGEST, digest_run
from graphpath.record.files import read_json, write_json

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores.base import Store

MARK = "graphpath.detector"
VERSION = 1
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why one image got its score.

    ``layers`` has a row a layer (-1 = all): the shares of its pathway inside the class pathways of its first
    and second prediction, what they are for clean images (mean), ``deviation`` (of in_first, in standard
    deviations of clean images), and ``effect``: by how much the score falls when the layer's shares are those
    of clean images. ``edges`` are those that its class pathway lacks, strongest first.
    """

    sample: int
    score: float
    attacked: bool
    layers: pd.DataFrame
    edges: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Detector:
    """What ``fit_detector`` returns. An image with a score above ``threshold`` is taken for attacked."""

    kind: str
    scorer: Scorer
    threshold: float
    layers: dict[int, str]
    normal: Floats
    """(f,): the mean of each feature over clean images."""
    spread: Floats
    """(f,): its standard deviation."""
    reference: str
    """The run whose class pathways images are compared with."""
    traced: TracingSetup
    report: pd.DataFrame
    """AUC per attack on images that were not fitted on; see ``fit_detector``."""
    notes: dict[str, Any]
    scheme: str = CLASSES
    """Of the categories of these class pathways."""
    unit: str = NEURON
    """Between what edges are compared: neurons or feature maps."""

    def score(self, store: Store, trace: Trace | str | Path) -> pd.DataFrame:
        """A verdict on every image of a trace, which need not be in the store; the store is only read.

        Columns: sample, position (in its data set), variant, predicted, confidence, second (prediction),
        score, attacked (score > threshold), softmax (the baseline's score, 1 - confidence), layer and
        layer_name (where its shares speak most for an attack), outside (the strongest edge that its class
        pathway lacks).

        Raises:
            RecordError: the trace is damaged or unfinished.
            RunNotFound: the store has not the detector's reference.
            ModelError, StoreError: the trace is of another network, method, options or target.
        """
        opened = trace if isinstance(trace, Trace) else Trace(trace)
        self._check_trace(store, opened)
        frame = _read_predictions(opened, read_grouping(store, self.scheme))
        values = self._compute_features(store, opened, frame.pop("pathway"))
        frame["score"] = self.scorer.score(values)
        frame["attacked"] = frame.score > self.threshold
        frame["softmax"] = 1.0 - frame.confidence
        names, effect = list(self.layers), self._measure_effects(values)
        frame["layer"] = [names[place] for place in effect.argmax(1)]
        frame["layer_name"] = [self.layers[layer] for layer in frame.layer]
        edges = outside_class(store, opened, self.reference, scheme=self.scheme, unit=self.unit, limit=1)
        edges = edges.set_index("sample")
        ends = (edges.source_name + " -> " + edges.target_name).reindex(frame["sample"])
        frame["outside"] = ends.fillna("").to_numpy()
        return frame

    def explain(
        self, store: Store, trace: Trace | str | Path, sample: int, *, limit: int = 20
    ) -> Explanation:
        """Why ``sample`` got its score, with the ``limit`` strongest edges outside of its class pathway.

        Raises: as ``score``, and RecordError for a sample that is not in the trace.
        """
        import pandas as pd

        opened = trace if isinstance(trace, Trace) else Trace(trace)
        self._check_trace(store, opened)
        frame = _read_predictions(opened, read_grouping(store, self.scheme))
        if (mine := frame[frame["sample"] == sample]).empty:
            raise RecordError(f"{opened.path} has no sample {sample}; graphpath detect score lists them.")
        [values] = self._compute_features(store, opened, mine.pathway)
        shares, normal = self._split_by_layer(values), self._split_by_layer(self.normal)
        layers = pd.DataFrame({"layer": list(self.layers), "name": list(self.layers.values())})
        for name in ("first", "second"):
            place = features.SHARES.index(f"in_{name}")
            layers[f"in_{name}"], layers[f"normal_{name}"] = shares[:, place], normal[:, place]
        spread = self._split_by_layer(self.spread)[:, features.SHARES.index("in_first")]
        off = (layers.in_first - layers.normal_first).to_numpy()
        layers["deviation"] = np.divide(off, spread, out=np.full(len(off), np.nan), where=spread > 0)
        layers["effect"] = self._measure_effects(values[None])[0]
        edges = outside_class(
            store, opened, self.reference, [sample], scheme=self.scheme, unit=self.unit, limit=limit
        )
        score = float(self.scorer.score(values[None])[0])
        return Explanation(sample, score, score > self.threshold, layers, edges.drop(columns="sample"))

    def save(self, path: str | Path) -> Path:
        """Write the detector as JSON: numbers and names, nothing that runs when it is read."""
        plain = {
            name: getattr(self, name)
            for name in ("kind", "threshold", "reference", "scheme", "unit", "notes")
        }
        report = json.loads(self.report.to_json(orient="records", double_precision=15))
        content = {
            MARK: VERSION,
            **plain,
            "traced": asdict(self.traced),
            "layers": [[layer, name] for layer, name in self.layers.items()],
            "normal": self.normal.tolist(),
            "spread": self.spread.tolist(),
            "scorer": self.scorer.as_json(),
            "report": report,
        }
        write_json(Path(path), {**content, DIGEST: digest_run(content)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Detector:
        """The detector in a file that ``save`` wrote. Raises RecordError where it is none."""
        import pandas as pd

        stored = read_json(Path(path))
        if stored.get(MARK) != VERSION:
            raise RecordError(
                f"{path} is no detector that this graphpath reads; graphpath detect fit writes one."
            )
        if DIGEST in stored and stored[DIGEST] != digest_run(stored):
            raise RecordError(
                f"{path} is damaged (it is not what was written, by its own digest): fit the detector again."
            )
        try:
            detector = cls(
                kind=stored["kind"],
                scorer=from_json(stored["scorer"]),
                threshold=float(stored["threshold"]),
                layers={int(layer): str(name) for layer, name in stored["layers"]},
                normal=np.array(stored["normal"], np.float64),
                spread=np.array(stored["spread"], np.float64),
                reference=stored["reference"],
                traced=TracingSetup(**stored["traced"]),
                report=pd.DataFrame(stored["report"]),
                notes=stored["notes"],
                scheme=stored.get("scheme", CLASSES),
                unit=stored.get("unit", NEURON),
            )
            detector._check_numbers()
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise RecordError(f"{path} is damaged ({error!r}): fit the detector again.") from error
        return detector

    def _check_numbers(self) -> None:
        """Raise ValueError for NaN and infinity: no score exceeds a threshold of NaN."""
        self._split_by_layer(self.spread)
        content = {
            "threshold": self.threshold,
            "normal": self.normal,
            "spread": self.spread,
            **vars(self.scorer),
        }
        for name, value in content.items():
            if not np.isfinite(value).all():
                raise ValueError(f"{name} is not a finite number")
        self.scorer.score(self.normal[None])

    def _check_trace(self, store: Store, trace: Trace) -> None:
        self.traced.check_trace(trace)
        found = store.query("runs/all")
        reference = found[(found.run == self.reference) & found.complete]
        if reference.empty:
            raise RunNotFound(
                f"{store.uri} has not the run {self.reference!r}, whose class pathways the detector knows: "
                "give the store that it was fitted on, or load that run's trace."
            )
        if reference.comparable.iloc[0] != self.traced.comparable:
            raise StoreError(
                f"{store.uri} has another run {self.reference!r} than the detector was fitted with."
            )

    def _compute_features(self, store: Store, trace: Trace, pathways: pd.Series[int]) -> Floats:
        """(n, f)."""
        frame = features.features_of_trace(
            store, self.reference, trace, list(self.layers), self.scheme, self.unit
        )
        values: Floats = frame.reindex(pathways, fill_value=0.0).to_numpy(np.float64)
        return values

    def _split_by_layer(self, values: Floats) -> Floats:
        """(layers, shares)."""
        return values.reshape(len(self.layers), len(features.SHARES))

    def _measure_effects(self, values: Floats) -> Floats:
        """(n, layers): by how much the score falls when a layer's shares are those of clean images."""
        score, wide = self.scorer.score(values), len(features.SHARES)
        lost = []
        for place in range(len(self.layers)):
            usual = values.copy()
            usual[:, place * wide : (place + 1) * wide] = self.normal[place * wide : (place + 1) * wide]
            lost.append(score - self.scorer.score(usual))
        return np.stack(lost, 1)


def _read_predictions(trace: Trace, grouping: pd.DataFrame) -> pd.DataFrame:
    """Each sample with its first prediction, and the next that is of another category (``read_grouping``).

    Raises StoreError where a pathway is not for the first.
    """
    samples: pd.DataFrame = trace.samples().to_table(columns=["sample", "index", "variant"]).to_pandas()
    classes = trace.categories().to_table(columns=["category", "label", "name"]).to_pandas()
    said = trace.predictions().to_table().to_pandas().merge(classes, on="category")
    first = said[said["rank"] == 1].set_index("sample")
    ranked = said.merge(grouping[["category", "key"]], on="category").sort_values(["sample", "rank"])
    ranked = ranked[ranked.key != ranked["sample"].map(ranked.groupby("sample").key.first())]
    second = ranked.drop_duplicates("sample").set_index("sample")
    targets = trace.pathways().to_table(columns=["sample", "pathway", "target"]).to_pandas()
    if targets["sample"].duplicated().any():
        raise StoreError(f"{trace.path} has several pathways for a sample; a detector takes one.")
    own = trace.run["parameters"].get("target") == "own"
    if not own and (targets.target != targets["sample"].map(first.label)).any():
        raise StoreError(
            f"{trace.path} traces images for another class than the network's answer on them: trace them "
            "again with --target own."
        )
    frame = samples.rename(columns={"index": "position"})
    frame["pathway"] = frame["sample"].map(targets.set_index("sample").pathway)
    frame["predicted"] = frame["sample"].map(first.name)
    frame["confidence"] = frame["sample"].map(first.confidence).astype(float)
    frame["second"] = frame["sample"].map(second.name)
    return frame
