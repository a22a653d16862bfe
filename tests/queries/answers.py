"""Each named query's answer, computed with pandas from the record, in no order."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

from graphpath import ids, queries
from graphpath.queries.units import has_units
from tests.queries.facts import EDGE, GROUPED, NUMBERS, Facts, MapFacts, group_of

ANSWERS: dict[str, Callable[..., pd.DataFrame]] = {}


def answers(name: str) -> Callable[[Callable[..., pd.DataFrame]], Callable[..., pd.DataFrame]]:
    def register(function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
        def answer(facts: Facts, *, unit: str = "neuron", **parameters: object) -> pd.DataFrame:
            return function(facts.between_maps() if unit == "map" else facts, **parameters)

        ANSWERS[name] = answer if has_units(queries.find(name).parameters) else function
        return function

    return register


def wanted(frame: pd.DataFrame, layers: list[int] | None, column: str = "layer") -> pd.DataFrame:
    return frame[frame[column].isin(layers)] if layers else frame


def compare(
    one: pd.DataFrame, two: pd.DataFrame, layers: list[int], weights: str, possible: pd.Series | None = None
) -> pd.DataFrame:
    """The likeness of two edge lists (layer, source, target, weight) per layer and, as -1, together."""
    one, two = (_weights_by_layer(side, weights) for side in (one, two))
    rows = [{"layer": n, **_overlap(one.get(n, {}), two.get(n, {}))} for n in layers]
    if possible is not None:
        for row in rows:
            row["expected"] = row["edges1"] * row["edges2"] / possible[row["layer"]]
    total = {name: sum(row[name] for row in rows) for name in rows[0]} if rows else {}
    frame = pd.DataFrame([*rows, {**total, "layer": -1}])
    either = frame.edges1 + frame.edges2 - frame.shared
    frame["J"] = (frame.shared / either).where(either > 0)
    frame["weighted_J"] = (frame.least / frame.most).where(frame.most > 0)
    if possible is not None:
        chance = frame.expected / (frame.edges1 + frame.edges2 - frame.expected)
        frame["expected_J"] = chance.where(either > 0)
    return frame


def _weights_by_layer(edges: pd.DataFrame, weights: str) -> dict[int, dict[tuple[int, int], float]]:
    """Each layer's edges with their weights, which sum to one unless they are asked for "raw"."""
    found: dict[int, dict[tuple[int, int], float]] = {}
    for layer, source, target, weight in zip(
        edges.layer, edges.source, edges.target, edges.weight, strict=True
    ):
        mine = found.setdefault(layer, {})
        assert (source, target) not in mine
        mine[source, target] = weight
    if weights == "raw":
        return found
    sums = {layer: sum(mine.values()) or 1.0 for layer, mine in found.items()}
    return {n: {edge: weight / sums[n] for edge, weight in mine.items()} for n, mine in found.items()}


def _overlap(one: dict[tuple[int, int], float], two: dict[tuple[int, int], float]) -> dict[str, float]:
    """How many edges two sets share and have; the sums of the lesser and of the greater weights."""
    shared, every = one.keys() & two.keys(), one.keys() | two.keys()
    return {
        "shared": len(shared),
        "edges1": len(one),
        "edges2": len(two),
        "least": sum(min(one[edge], two[edge]) for edge in shared),
        "most": sum(max(one.get(edge, 0.0), two.get(edge, 0.0)) for edge in every),
    }


def layer_numbers(facts: Facts, layers: list[int] | None) -> list[int]:
    return [n for n in facts.layers.index if n > 0 and (not layers or n in layers)]


def named(facts: Facts, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        source_name=facts.name(frame.source).to_numpy(), target_name=facts.name(frame.target).to_numpy()
    )


@answers("runs/all")
def runs_all(facts):
    rows = [
        {
            "run": t.id,
            "method": t.run["method"],
            "model": t.run["model"]["name"],
            "sha256": t.run["model"]["sha256"],
            "complete": True,
        }
        for t in facts.traces
    ]
    return pd.DataFrame(rows)


@answers("verdicts/all")
def verdicts_all(facts, query=""):
    rows = [
        {**row, "verdict": row["id"], "per": row["by"], "runs": sorted(runs)} for row, runs in facts.verdicts
    ]
    frame = pd.DataFrame(rows)[list(queries.find("verdicts/all").returns)]
    return frame[frame["query"] == query] if query else frame


@answers("categories/shared_edges")
def shared_edges(facts, run, variant="original", scheme="classes", min_categories=2, layers=None):
    edges = wanted(facts.class_edges(run, variant, scheme), layers)
    grouped = edges.groupby(["layer", *EDGE])
    frame = grouped[["share", "score", "weight"]].mean()
    frame["categories"], frame["support"] = grouped.size(), grouped.support.sum()
    return named(facts, frame[frame.categories >= min_categories].reset_index())


@answers("categories/shared_maps")
def shared_maps(facts, run, variant="original", scheme="classes", min_categories=2, layers=None):
    mine = facts.members(scheme)
    mine = mine[(mine.run == run) & (mine.variant == variant)]
    ends = {end: facts.place(mine[end])["map"].to_numpy() for end in EDGE}
    grouped = mine.assign(**ends).groupby(["category", "layer", *EDGE])
    maps = grouped[["score", "weight"]].sum().assign(support=grouped["sample"].nunique()).reset_index()
    size = maps.category.map(facts.class_sizes(run, variant, scheme))
    maps = wanted(maps.assign(share=maps.support / size), layers)
    maps[["score", "weight"]] = maps[["score", "weight"]].div(size.loc[maps.index], axis=0)
    grouped = maps.groupby(["layer", *EDGE])
    frame = grouped[["share", "score", "weight"]].mean()
    frame["categories"], frame["support"] = grouped.size(), grouped.support.sum()
    frame = frame[frame.categories >= min_categories].reset_index()
    for end in EDGE:
        place = facts.place(frame[end])
        name = place.layer_name + " [" + place.channel.astype(str) + "]"
        frame[f"{end}_name"] = name.to_numpy()
    return frame


@answers("categories/exclusive_edges")
def exclusive_edges(
    facts, run, variant="original", scheme="classes", categories=None, layers=None, min_share=0.0
):
    edges = facts.class_edges(run, variant, scheme)
    edges = edges[~edges.duplicated(EDGE, keep=False)]
    edges = wanted(wanted(edges[edges.share >= min_share], layers), categories, "category")
    return named(facts, edges).assign(category=edges.category.map(facts.categories).to_numpy())


@answers("categories/class_edges")
def class_edges(facts, run, variant="original", scheme="classes", labels=None, layers=None):
    edges = wanted(facts.class_edges(run, variant, scheme), layers)
    label = edges.category % ids.BLOCK
    samples = edges.category.map(facts.class_sizes(run, variant, scheme))
    names = edges.category.map(facts.categories)
    frame = named(facts, edges).assign(
        label=label, samples=samples, min_support=facts.min_support, category=names
    )
    return wanted(frame, labels, "label")


@answers("categories/class_pathways")
def class_pathways(facts, run, variant="original", scheme="classes"):
    every = facts.members(scheme)
    mine = every[(every.run == run) & (every.variant == variant)]
    weight = mine.groupby("category").weight.sum()
    kept = facts.class_edges(run, variant, scheme).groupby("category")
    frame = facts.class_sizes(run, variant, scheme).rename("samples").to_frame()
    frame["edges"] = kept.size().reindex(frame.index, fill_value=0)
    frame["coverage"] = (kept.weight.sum() * frame.samples / weight).reindex(frame.index).fillna(0.0)
    frame = frame.reset_index()
    return frame.assign(
        label=frame.category % ids.BLOCK,
        category=frame.category.map(facts.categories),
        min_support=facts.min_support,
    )


@answers("categories/shared_neurons")
def shared_neurons(facts, run, variant="original", scheme="classes", min_categories=2, layers=None):
    edges = facts.class_edges(run, variant, scheme)
    sides = [
        edges.assign(neuron=edges[end], **{f"score_{way}": edges.score})
        for end, way in (("source", "out"), ("target", "in"))
    ]
    frame = pd.concat(sides).fillna({"score_in": 0.0, "score_out": 0.0})
    per = frame.groupby(["neuron", "category"]).agg(
        support=("support", "max"), score_in=("score_in", "sum"), score_out=("score_out", "sum")
    )
    frame = per.groupby("neuron").agg(
        categories=("support", "size"),
        support=("support", "sum"),
        score_in=("score_in", "mean"),
        score_out=("score_out", "mean"),
    )
    frame = frame[frame.categories >= min_categories].reset_index()
    place = facts.place(frame.neuron)[["layer", "channel", "y", "x"]]
    if isinstance(facts, MapFacts):
        place[["y", "x"]] = -1
    frame = pd.concat([frame, place], axis=1).assign(name=facts.name(frame.neuron))
    return wanted(frame, layers)


@answers("categories/similarity")
def similarity(
    facts,
    run,
    variant="original",
    scheme="classes",
    categories=None,
    layers=None,
    weights="normalised",
    by_layer=True,
    min_weighted_J=0.0,
):
    edges = facts.class_edges(run, variant, scheme)
    owners = [c for c in facts.class_sizes(run, variant, scheme).index if not categories or c in categories]
    frames = []
    for one, two in combinations(sorted(owners), 2):
        sides = [edges[edges.category == c] for c in (one, two)]
        frame = compare(*sides, layer_numbers(facts, layers), weights, facts.possible)
        frames.append(frame.assign(category1=facts.categories[one], category2=facts.categories[two]))
    if not frames:
        return pd.DataFrame()
    every = pd.concat(frames)
    every = every if by_layer else every[every.layer == -1]
    return every[every.weighted_J >= min_weighted_J] if min_weighted_J > 0 else every


@answers("categories/consistency")
def consistency(facts, run, variant="original", scheme="classes", layers=None, weights="normalised"):
    mine = facts.edges[(facts.edges.run == run) & (facts.edges.variant == variant)]
    known = facts.pathways[(facts.pathways.run == run) & (facts.pathways.variant == variant)]
    known = known.assign(group=facts.to_group(facts.category_of(known.label), scheme))
    known = known[known.group >= 0]
    by_pathway = dict(list(mine.groupby("pathway")))
    pairs = []
    for one, two in combinations(known.itertuples(), 2):
        if one.sample != two.sample:
            frame = compare(
                by_pathway[one.pathway], by_pathway[two.pathway], layer_numbers(facts, layers), weights
            )
            pairs.append(frame.assign(way="within" if one.group == two.group else "between"))
    if not pairs:
        return pd.DataFrame()
    grouped = pd.concat(pairs).groupby(["layer", "way"])
    wide = grouped.agg(pairs=("J", "count"), J=("J", "mean"), weighted_J=("weighted_J", "mean")).unstack()
    wide.columns = [f"{value}_{way}" for value, way in wide.columns]
    empty = {
        f"{value}_{way}": np.nan for value in ("pairs", "J", "weighted_J") for way in ("within", "between")
    }
    wide = wide.assign(**{name: value for name, value in empty.items() if name not in wide})
    return wide.fillna({"pairs_within": 0, "pairs_between": 0}).reset_index()


@answers("pathways/samples")
def samples(facts, run, variant=""):
    mine = facts.pathways[facts.pathways.run == run]
    grouped = mine[mine.variant == variant if variant else mine.variant != ""].groupby("variant")
    frame = grouped.agg(samples=("sample", "nunique"), categories=("label", "nunique"))
    return frame.assign(pathways=grouped.size()).reset_index()


@answers("pathways/coverage")
def coverage(facts, run, variant=""):
    mine = facts.pathways[facts.pathways.run == run]
    grouped = mine[mine.variant == variant if variant else mine.variant != ""].groupby("variant")
    frame = pd.DataFrame({"pathways": grouped.size(), "edges": grouped.edges.mean()})
    shares = mine.coverage.astype(float).groupby(mine.variant)
    return frame.join(shares.agg(coverage="mean", least="min")).reset_index()


@answers("pathways/edges")
def edges(facts, run, variants=None):
    mine = wanted(facts.edges[facts.edges.run == run], variants, "variant")
    rows = []
    for layer, part in [(-1, mine), *mine.groupby("layer")]:
        rows.append({"layer": layer, "edges": len(part[EDGE].drop_duplicates()), "uses": len(part)})
    return pd.DataFrame(rows) if len(mine) else pd.DataFrame()


@answers("categories/sharing")
def sharing(facts, run, variant="original", scheme="classes"):
    categories = facts.class_edges(run, variant, scheme).groupby(["layer", *EDGE]).size().rename("categories")
    return categories.reset_index().groupby(["categories", "layer"]).size().rename("edges").reset_index()


@answers("categories/schemes")
def schemes(facts, scheme=""):
    labels = [label for label in range(len(facts.categories) - len(NUMBERS)) if group_of(label)]
    sizes = pd.concat(
        [
            facts.class_sizes(trace.id, variant, GROUPED)
            for trace in facts.traces
            for variant in facts.samples.variant.unique()
        ]
    )
    rows = []
    for name, number in NUMBERS.items():
        mine = sizes[sizes.index == ids.category_id(GROUPED, number)]
        rows.append(
            {
                "scheme": GROUPED,
                "category": name,
                "label": number,
                "classes": sum(group_of(label) == name for label in labels),
                "class_pathways": len(mine),
                "samples": int(mine.sum()),
            }
        )
    return pd.DataFrame(rows)


def class_name(facts: Facts, label: int) -> str:
    """What the class with this label is called."""
    name: str = facts.categories[ids.category_id(facts.scheme, int(label))]
    return name


def class_names(facts: Facts, labels: pd.Series) -> pd.Series:
    """What the classes of a column of labels are called."""
    return labels.map(lambda label: class_name(facts, label)).astype(object)


def attack_on(facts: Facts, sample: int) -> dict[str, object]:
    """The attack that made a sample, and its strength."""
    detail = json.loads(facts.samples.detail[sample])
    return {"attack": detail["attack"], "epsilon": detail["epsilon"]}


@answers("adversarial/pairs")
def pairs(facts):
    paths = facts.pathways
    targets = paths.groupby("sample").target.min()
    rows = []
    for path in paths[paths.variant == "adversarial"].drop_duplicates("sample").itertuples():
        guess = facts.predictions[
            (facts.predictions["sample"] == path.sample) & (facts.predictions.run == path.run)
        ]
        guess = guess[guess["rank"] == 1].iloc[0]
        original = int(facts.samples.parent[path.sample])
        rows.append(
            {
                "derived": path.sample,
                "original": original,
                "variant": "adversarial",
                **attack_on(facts, path.sample),
                "label": class_name(facts, path.label),
                "original_target": targets[original],
                "derived_target": path.target,
                "predicted": facts.categories[guess.category],
                "confidence": guess.confidence,
                "fooled": facts.categories[guess.category] != class_name(facts, targets[original]),
            }
        )
    return pd.DataFrame(rows)


def _sides(facts: Facts, original: int, derived: int) -> list[pd.DataFrame]:
    sides = []
    for sample in (original, derived):
        mine = facts.edges[facts.edges["sample"] == sample]
        sides.append(mine.groupby(["layer", *EDGE], as_index=False)[["flow", "score", "weight"]].sum())
    return sides


@answers("adversarial/divergence")
def divergence(facts, original, derived, ratio=2.0, layers=None, weights="normalised"):
    one, two = (wanted(side, layers) for side in _sides(facts, original, derived))
    if one.empty or two.empty:
        return pd.DataFrame()
    numbers = layer_numbers(facts, layers)
    frame = compare(one, two, numbers, weights, facts.possible)
    if weights != "raw":
        one, two = (
            s.assign(weight=s.weight / s.groupby("layer").weight.transform("sum")) for s in (one, two)
        )
    both = one.merge(two, on=["layer", *EDGE])
    less, more = both[["weight_x", "weight_y"]].min(axis=1), both[["weight_x", "weight_y"]].max(axis=1)
    changed = both[(np.sign(both.score_x) * np.sign(both.score_y) < 0) | (more >= ratio * less)]
    frame["reweighted"] = [len(changed[changed.layer == n]) if n >= 0 else len(changed) for n in frame.layer]
    frame["gained"], frame["lost"] = frame.edges2 - frame.shared, frame.edges1 - frame.shared
    frame["name"] = [facts.layers.name[n] if n >= 0 else "all layers" for n in frame.layer]
    return frame.rename(columns={"edges1": "edges_original", "edges2": "edges_derived"})


@answers("adversarial/first_diverging_layer")
def first_diverging_layer(facts, threshold=0.5, measure="weighted_J"):
    rows = []
    for derived, original in facts.samples.parent.dropna().items():
        frame = divergence(facts, int(original), derived)
        if frame.empty:
            continue
        each, total = frame[frame.layer >= 0], frame[frame.layer == -1].iloc[0]
        low = each[each[measure] < threshold]
        first = low.iloc[0] if len(low) else {"layer": None, "J": np.nan, "weighted_J": np.nan}
        rows.append(
            {
                "derived": derived,
                "original": int(original),
                **attack_on(facts, derived),
                "layer": first["layer"],
                "J": first["J"],
                "weighted_J": first["weighted_J"],
                "J_all": total.J,
                "weighted_J_all": total.weighted_J,
            }
        )
    return pd.DataFrame(rows)


def _only(
    facts: Facts, mine: pd.DataFrame, other: pd.DataFrame, layers: list[int] | None, scheme: str
) -> pd.DataFrame:
    if mine.empty or other.empty:
        return pd.DataFrame()
    merged = mine.merge(other[["layer", *EDGE]], on=["layer", *EDGE], how="left", indicator=True)
    frame = named(facts, wanted(merged[merged._merge == "left_only"], layers))
    owners = pd.concat([facts.class_edges(trace.id, scheme=scheme) for trace in facts.traces])
    names = (
        owners.assign(name=owners.category.map(facts.categories))
        .groupby(EDGE)
        .name.agg(lambda found: sorted(set(found)))
    )
    keys = list(zip(frame.source, frame.target, strict=True))
    return frame.assign(classes=[names.get(key, []) for key in keys])


@answers("adversarial/gained_edges")
def gained_edges(facts, original, derived, layers=None, scheme="classes"):
    one, two = _sides(facts, original, derived)
    return _only(facts, two, one, layers, scheme)


@answers("adversarial/lost_edges")
def lost_edges(facts, original, derived, layers=None, scheme="classes"):
    one, two = _sides(facts, original, derived)
    return _only(facts, one, two, layers, scheme)


@answers("adversarial/class_similarity")
def class_similarity(facts, layers=None, references=None, scheme="classes"):
    rows = []
    classes = {t.id: set(facts.class_sizes(t.id, scheme=scheme).index) for t in facts.traces}
    references = references or [run for run, known in classes.items() if known]
    for path in facts.pathways.itertuples():
        guesses = facts.predictions[
            (facts.predictions["sample"] == path.sample) & (facts.predictions.run == path.run)
        ]
        ranked = facts.to_group(guesses.sort_values("rank").category, scheme)
        ranked = ranked[ranked >= 0].drop_duplicates()
        for reference in references:
            likeness = {}
            for category, guess in zip(ranked, ("first", "second"), strict=False):
                if category in classes[reference]:
                    likeness[guess] = category, _inside(facts, path, reference, category, layers, scheme)
            if not likeness:
                continue
            numbers = sorted({n for _, frame in likeness.values() for n in frame.index})
            for layer in numbers:
                row = {
                    "pathway": path.pathway,
                    "sample": path.sample,
                    "run": path.run,
                    "layer": layer,
                    "variant": path.variant,
                    "label": path.label,
                    "reference": reference,
                }
                for guess, (category, frame) in likeness.items():
                    if layer in frame.index:
                        row[guess] = facts.categories[category]
                        row["edges"] = row.get("edges", 0) or frame.edges1[layer]
                        row[f"in_{guess}"] = frame.inside[layer]
                        row[f"weighted_{guess}"] = frame.weighted_J[layer]
                rows.append(row)
    return pd.DataFrame(rows)


def _inside(
    facts: Facts, path, reference: str, category: int, layers: list[int] | None, scheme: str
) -> pd.DataFrame:
    """The pathway against the class, from which all that derives from its sample's original goes first."""
    mine = facts.edges_of(path.pathway)
    theirs = facts.class_without(reference, category, facts.oldest[path.sample], scheme)
    frame = compare(mine, theirs, layer_numbers(facts, layers), "normalised").set_index("layer")
    frame = frame[(frame.edges1 > 0) | (frame.edges2 > 0)]
    return frame.assign(inside=(frame.shared / frame.edges1).where(frame.edges1 > 0))


@answers("pathways/layers")
def layers(facts, run):
    return facts.layers.reset_index()


@answers("maps/examples")
def map_examples(facts, run, map, by="activation", per="sample", variant="original"):
    visits = facts.visits[(facts.visits.run == run) & (facts.visits.variant == variant)].reset_index(
        drop=True
    )
    visits = pd.concat([visits, facts.place(visits.neuron)[["channel", "y", "x", "map"]]], axis=1)
    visits = visits[visits["map"] == map].sort_values(
        [by, "neuron", "pathway"], ascending=[False, True, True]
    )
    frame = visits.drop_duplicates(["sample"] if per == "sample" else ["sample", "neuron"])
    first = facts.predictions[(facts.predictions.run == run) & (facts.predictions["rank"] == 1)]
    category = frame["sample"].map(first.set_index("sample").category)
    own = facts.category_of(frame.label)
    ends = {}
    for axis in ("y", "x"):
        keys = [(layer, axis, place) for layer, place in zip(frame.layer, frame[axis], strict=True)]
        for number, end in enumerate(("first", "last")):
            ends[f"{axis}{number}"] = [facts.fields[end][key] for key in keys]
    return frame.assign(
        label=own.map(facts.categories),
        predicted=category.map(facts.categories),
        correct=category == own,
        title=frame.layer.map(facts.titles),
        **ends,
    )[list(queries.find("maps/examples").returns)]


@answers("pathways/maps")
def pathway_maps(facts, pathway, layers=None):
    mine = wanted(facts.visits[facts.visits.pathway == pathway], layers).reset_index(drop=True)
    place = facts.place(mine.neuron)
    mine = mine.assign(map=place["map"], channel=place.channel, weight=mine.score.abs())
    mine["name"] = place.layer_name + " [" + place.channel.astype(str) + "]"
    grouped = mine.groupby(["layer", "map", "channel", "name"], as_index=False)
    frame = grouped.agg(
        neurons=("neuron", "count"),
        weight=("weight", "sum"),
        score=("score", "sum"),
        activation=("activation", "max"),
    )
    return frame.assign(title=frame.layer.map(facts.titles))


@answers("pathways/neurons")
def neurons(facts, pathway, layers=None):
    mine = wanted(facts.visits[facts.visits.pathway == pathway], layers).reset_index(drop=True)
    place = facts.place(mine.neuron)[["channel", "y", "x"]]
    return pd.concat([mine, place], axis=1).assign(name=facts.name(mine.neuron))


@answers("pathways/of_run")
def of_run(facts, run, variants=None):
    mine = wanted(facts.pathways[facts.pathways.run == run], variants, "variant")
    guesses = facts.predictions[(facts.predictions.run == run) & (facts.predictions["rank"] == 1)]
    guesses = guesses.set_index("sample")[["category", "confidence"]]
    guesses["predicted"] = guesses.pop("category").map(facts.categories)
    return mine.join(guesses, on="sample").assign(
        position=mine["sample"].map(facts.samples["index"]),
        label_name=class_names(facts, mine.label),
        target_name=mine.category.map(facts.categories),
    )


@answers("pathways/of_sample")
def of_sample(facts, sample):
    mine = facts.pathways[facts.pathways["sample"] == sample]
    methods = {trace.id: trace.run["method"] for trace in facts.traces}
    return mine.assign(method=mine.run.map(methods), target_name=mine.category.map(facts.categories))


@answers("pathways/largest")
def largest(facts, sample, k=10):
    mine = facts.steps[facts.steps["sample"] == sample]
    routes = mine.drop_duplicates("route").sort_values(["log10_abs", "route"], ascending=[False, True])
    mine = mine[mine.route.isin(routes.route.head(k))].reset_index(drop=True)
    place = facts.place(mine.neuron)[["layer", "channel", "y", "x"]]
    return pd.concat([mine, place], axis=1).assign(name=facts.name(mine.neuron))


@answers("pathways/largest_overlap")
def largest_overlap(facts, run, k=10, by="relation", variant="original", scheme="classes"):
    steps = facts.steps
    mine = steps[(steps.run == run) & (steps.variant == variant) & (steps["rank"] <= k)]
    mine = mine.sort_values(["route", "position"]).reset_index(drop=True)
    mine["group"] = facts.to_group(facts.category_of(mine.label), scheme)
    between_maps = isinstance(facts, MapFacts)
    mine["unit"] = facts.place(mine.neuron)["map"] if between_maps else mine.neuron
    mine["next"] = mine.groupby("route").unit.shift(-1)
    units = "feature maps" if between_maps else "neurons"
    sets = {}
    for sample, frame in mine[mine.group >= 0].groupby("sample"):
        followed = frame.dropna(subset="next")
        sets[sample] = {
            units: set(frame.unit),
            "edges": set(zip(followed.unit, followed.next, strict=True)),
        }
    groups = mine.drop_duplicates("sample").set_index("sample").group
    rows = []
    for one, two in combinations(sorted(sets, key=lambda s: (groups[s], s)), 2):
        for what in (units, "edges"):
            a, b = sets[one][what], sets[two][what]
            rows.append(
                {
                    "what": what,
                    "relation": "within" if groups[one] == groups[two] else "across",
                    "category1": facts.categories[groups[one]] if by == "categories" else "all",
                    "category2": facts.categories[groups[two]] if by == "categories" else "all",
                    "shared": len(a & b),
                    "J": len(a & b) / len(a | b),
                }
            )
    grouped = pd.DataFrame(rows).groupby(["what", "relation", "category1", "category2"])
    return grouped.agg(pairs=("J", "size"), shared=("shared", "mean"), J=("J", "mean")).reset_index()


@answers("pathways/counts")
def counts(facts, run, by="category", scheme="classes", variants=None, layers=None):
    visits = facts.visits[facts.visits.run == run].reset_index(drop=True)
    visits["map"] = facts.place(visits.neuron)["map"]
    crosses = facts.crosses[facts.crosses.run == run].join(
        facts.layers[["offset", "height", "width"]], on="layer"
    )
    crosses["map"] = crosses.offset + crosses.channel * crosses.height * crosses.width
    frames = []
    for frame in (visits, crosses):
        frame = wanted(wanted(frame, layers), variants, "variant")
        group = facts.to_group(facts.category_of(frame.label), scheme)
        owner = frame["sample"] if by == "sample" else group
        frames.append(frame.assign(owner=owner, owner_name=group.map(facts.categories).fillna("")))
    seen = (
        frames[0]
        .groupby(["owner", "owner_name", "map"])
        .agg(pathways=("pathway", "nunique"), neurons=("neuron", "size"), score=("score", "sum"))
    )
    pixels = (
        frames[1].drop_duplicates(["pathway", "pixel", "map"]).groupby(["owner", "owner_name", "map"]).size()
    )
    size = frames[1].groupby(["owner", "owner_name", "map"])["size"].sum()
    both = pd.concat([seen, pixels.rename("pixels"), size.rename("size")], axis=1).fillna(0.0).reset_index()
    place = facts.place(both["map"])
    name = place.layer_name + " [" + place.channel.astype(str) + "]"
    both = both.rename(columns={"owner_name": "category"})
    both["category"] = both.category.where(both.category != "", None)
    return pd.concat([both, place[["layer", "channel"]]], axis=1).assign(name=name)


@answers("pathways/hubs")
def hubs(facts, run, variants=None, layers=None, with_ends=False):
    mine = wanted(facts.visits[facts.visits.run == run], variants, "variant")
    known = wanted(facts.pathways[facts.pathways.run == run], variants, "variant")
    frame = (
        mine.assign(score=mine.score.abs())
        .groupby("neuron")
        .agg(pathways=("pathway", "size"), activation=("activation", "mean"), score=("score", "mean"))
        .reset_index()
    )
    frame["share"] = frame.pathways / len(known)
    place = facts.place(frame.neuron)[["layer", "channel", "y", "x"]]
    frame = wanted(pd.concat([frame, place], axis=1).assign(name=facts.name(frame.neuron)), layers)
    return frame if with_ends else frame[~frame.layer.isin([0, facts.layers.index.max()])]


@answers("pathways/through_neuron")
def through_neuron(facts, neuron, variants=None):
    mine = wanted(facts.visits[facts.visits.neuron == neuron], variants, "variant")
    return mine.assign(target_name=class_names(facts, mine.target))


@answers("pathways/routes")
def routes(facts, run, pixels=None, maps=None, variants=None):
    mine = wanted(facts.steps[facts.steps.run == run], variants, "variant").reset_index(drop=True)
    mine["map"] = facts.place(mine.neuron)["map"]
    first = mine[mine.position == 0].set_index("route").neuron
    frame = mine.groupby("route").agg(neurons=("neuron", "size"), maps=("map", set)).reset_index()
    known = mine.drop_duplicates("route").drop(columns=["neuron", "position", "map"])
    frame = frame.merge(known, on="route").assign(pixel=lambda f: f.route.map(first))
    frame["pixel_name"] = facts.name(frame.pixel).to_numpy()
    if maps:
        frame = frame[[bool(found & set(maps)) for found in frame.maps]]
    return wanted(frame, pixels, "pixel")
