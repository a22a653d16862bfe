"""Which class of a store is of which category, in a scheme of categories, as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphpath.classes import CLASSES
from graphpath.errors import StoreError
from graphpath.stores.categories import LINKS, NODES, PREDICTED

if TYPE_CHECKING:
    import pandas as pd

    from graphpath.stores.base import Store


def read_grouping(store: Store, scheme: str = CLASSES) -> pd.DataFrame:
    """A row for each class that is in a category: category (the class's id), key and name (its category's
    number in the scheme, and name).

    Raises StoreError where the store has no such scheme.
    """
    import pandas as pd

    nodes: pd.DataFrame = store.execute(NODES, {}).to_pandas()
    links = store.execute(LINKS, {}).to_pandas()
    if scheme == CLASSES:
        classes = nodes[~nodes.category.isin(links.category)]
        return classes.rename(columns={"label": "key"})[["category", "key", "name"]]
    mine = links[links.scheme == scheme]
    if mine.empty:
        known = ", ".join([CLASSES, *sorted(set(links.scheme))])
        raise StoreError(f"{store.uri} has no scheme of categories {scheme!r}; it has {known}.")
    groups = nodes[["category", "label"]].rename(columns={"category": "group", "label": "key"})
    found = pd.merge(mine.rename(columns={"category": "group", "class": "category"}), groups, on="group")
    return found[["category", "key", "name"]]


def group_samples(store: Store, run: str, frame: pd.DataFrame, scheme: str = CLASSES) -> pd.DataFrame:
    """``frame`` (rows of ``pathways/of_run``) with the categories of its classes in ``scheme``.

    Added are ``label_key``, ``target_key`` and ``predicted_key``, -1 for none.
    """
    predicted = store.execute(PREDICTED, {"run": run}).to_pandas().set_index("sample")
    keys = read_grouping(store, scheme).set_index("category").key
    first = (predicted.category - predicted.number).reindex(frame["sample"])  # the id of its scheme's class 0

    def find(classes: pd.Series) -> pd.Series:
        return classes.map(keys).fillna(-1).astype("int64")

    zero = first.to_numpy()
    return frame.assign(
        label_key=find(frame.label.where(frame.label >= 0) + zero),
        target_key=find(frame.target.where(frame.target >= 0) + zero),
        predicted_key=find(predicted.category.reindex(frame["sample"]).set_axis(frame.index)),
    )
