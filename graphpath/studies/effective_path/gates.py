"""The rival: attacked images detected by the gates of distillation-guided routing (Wang et al. 2018).

Qiu et al. compare with it. An image's features are its gates, one a feature map, learned by the settings of
DGR's authors and not thresholded. The detector is a random forest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from graphpath.data import BaseImages
from graphpath.detect.areas import area_under_curve
from graphpath.detect.features import ALL
from graphpath.detect.fit import split_by_original
from graphpath.detect.learners import learn
from graphpath.detect.material import choose_runs, gather_samples
from graphpath.models import match_classes
from graphpath.studies.bench import Bench
from graphpath.tracing.batches import Batches
from graphpath.tracing.evaluation import in_eval_mode
from graphpath.tracing.methods import dgr
from graphpath.tracing.registry import NEURON_METHODS
from graphpath.tracing.units import Units

if TYPE_CHECKING:
    import pandas as pd

KIND = "forest"
RECIPE = "wang"


def measure_auc_by_gates(
    bench: Bench, reference: str, runs: Sequence[str], traced: Sequence[BaseImages], share: float
) -> dict[str, float]:
    """The area under the ROC curve by attack, on the samples that ``fit_detector`` holds back.

    ``traced`` are the images of ``runs``; the split is that of ``bench.seed``.
    """
    import pandas as pd

    gates = pd.concat([learn_gates(bench, images) for images in traced])
    material = gather_samples(bench.store, choose_runs(bench.store, reference, runs), [ALL])
    own = replace(material, values=gates.loc[material.sample].to_numpy())
    fitted, tested = split_by_original(own, share, bench.seed)
    scorer = learn(KIND, fitted.values, fitted.attacked, fitted.balance_weights(), bench.seed)
    found = {}
    for attack in tested.attacks:
        some = tested.select_attacks([attack])
        found[attack] = area_under_curve(scorer.score(some.values), some.attacked).value
    return found


def learn_gates(bench: Bench, images: BaseImages) -> pd.DataFrame:
    """The gates of each image: a row a sample, a column a feature map. Raises MethodError."""
    import pandas as pd

    recipe, parts = dgr.RECIPES[RECIPE], []
    bench.asked.append(f"graphpath.tracing dgr recipe={RECIPE!r}, its gates as they are")
    with in_eval_mode(bench.model.module, bench.setting.device):
        batches = Batches(bench.model, match_classes(bench.model, images), "own", bench.seed)
        for batch, _ in batches.iterate_examples(batches.fit_size(NEURON_METHODS["dgr"], {"recipe": RECIPE})):
            parts.append(dgr.learn_gates(Units.from_batch(batch), recipe).double().cpu())
            bench.show_progress("learning gates", sum(map(len, parts)), len(images))
    return pd.DataFrame(torch.cat(parts).numpy(), index=batches.rows["sample"].to_pylist())
