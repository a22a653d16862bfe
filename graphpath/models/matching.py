"""A model and images meet: the images' labels become the numbers of the model's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from graphpath.classes import Finder
from graphpath.data.base import Images
from graphpath.data.matched import ClassMatch, MatchedImages, Numbers
from graphpath.errors import DataError, MethodError, ModelError
from graphpath.models.evaluating import count_outputs
from graphpath.models.loaded import LoadedModel

BY_NAME, BY_POSITION = "by-name", "by-position"
MATCHING = (BY_NAME, BY_POSITION)
"""What ``matching`` (``--labels``) may be."""

SHOWN = 3
"""Classes named in a sentence."""


def match_classes(model: LoadedModel, images: Images, matching: str = BY_NAME) -> MatchedImages:
    """``images`` with the labels, classes and scheme that they have for ``model``.

    Where both name their classes these are matched by name: the case, spaces, underscores and WordNet ids
    aside. Where only the images do, their classes are taken for the model's outputs in their order, if there
    are as many. Labels without names are numbers of outputs. ``by-position`` takes the images' class k for
    the model's, whatever the names.

    Raises DataError where a class that occurs is none of the model's, or several; ModelError where the model
    names more or fewer classes than it has outputs; MethodError for an unknown ``matching``.
    """
    if matching not in MATCHING:
        raise MethodError(f"matching={matching!r} is unknown; expected {' or '.join(MATCHING)}.")
    if isinstance(images, MatchedImages) and images.model == model.sha256:
        return images
    _check_channels(model, images)
    if model.classes is None:
        return _match_unnamed(model, images, matching)
    _check_outputs(model, images)
    names, classes = tuple(images.classes), model.classes
    if not names:
        return _keep_labels(model, images, _check_numbers(images))
    if names == classes:
        said = f"The images' {_count_names(names)} are the model's, by the same names and numbers."
        return _keep_labels(model, images, ClassMatch("own", said))
    if matching == BY_POSITION:
        return _rename_labels(model, images, _match_by_position(names, classes))
    return _match_by_name(model, images)


def _keep_labels(model: LoadedModel, images: Images, numbered: ClassMatch) -> MatchedImages:
    return MatchedImages(images, numbered, images.classes, images.scheme, model.sha256)


def _rename_labels(model: LoadedModel, images: Images, numbered: ClassMatch) -> MatchedImages:
    return MatchedImages(images, numbered, model.classes or (), model.scheme or model.name, model.sha256)


def _match_unnamed(model: LoadedModel, images: Images, matching: str) -> MatchedImages:
    names = images.classes
    if not names:
        return _keep_labels(model, images, _check_numbers(images))
    outputs = _find_outputs(model, images)
    if outputs not in (None, len(names)) and matching == BY_NAME:
        raise DataError(
            f"{images.dataset}: the images have {_count_names(names)}, and {model.name} has {outputs:,} "
            "outputs without names, so that nobody knows which output is which class. Give its names "
            f"(--classes FILE), or say that class 0 ({names[0]!r}) is its output 0 and so on: "
            "--labels by-position (matching='by-position')."
        )
    said = (
        f"{model.name} names no classes: the images' {_count_names(names)} are taken for its outputs in "
        f"their order, {names[0]!r} for output 0 and so on."
    )
    return _keep_labels(model, images, ClassMatch(BY_POSITION, said))


def _check_numbers(images: Images) -> ClassMatch:
    labels = images.rows()["label"].to_numpy()
    if not (labels >= 0).any():
        return ClassMatch("none", "The images have no labels.")
    return ClassMatch(
        "numbers", "The images' labels are numbers without names: those of the model's outputs."
    )


def _match_by_position(names: Sequence[str], classes: Sequence[str]) -> ClassMatch:
    pairs = [(a, b) for a, b in zip(names, classes, strict=False) if a != b]
    other = ", ".join(f"{a!r} for {b!r}" for a, b in pairs[:SHOWN])
    more = " and so on" if len(pairs) > SHOWN else ""
    beyond = len(names) - len(classes)
    left = f" {beyond:,} of them are beyond the model's {_count_names(classes)}." if beyond > 0 else ""
    said = f"The images' {_count_names(names)} are taken for the model's by position: {other}{more}.{left}"
    return ClassMatch(BY_POSITION, said)


def _match_by_name(model: LoadedModel, images: Images) -> MatchedImages:
    names, classes = images.classes, model.classes or ()
    finder = Finder(classes, model.wnids or ())
    found = [_find_class(finder, name, k, len(names) == len(classes)) for k, name in enumerate(names)]
    occurring = [int(label) for label in np.unique(images.rows()["label"].to_numpy()) if label >= 0]
    _check_found(model, images, found, occurring)
    numbers = np.array([places[0] if len(places) == 1 else -1 for places in found], np.int64)
    if np.array_equal(numbers, np.arange(len(classes))):
        said = f"The images' {_count_names(names)} are the model's by name, with the same numbers."
        return _keep_labels(model, images, ClassMatch(BY_NAME, said))
    return _rename_labels(
        model, images, ClassMatch(BY_NAME, _describe_match(names, classes, numbers), numbers)
    )


def _find_class(finder: Finder, name: str, position: int, as_many: bool) -> list[int]:
    """The classes that ``name`` means; of several, the one of the same number where there are as many."""
    places = finder.find_classes(name)
    return [position] if as_many and position in places else places


def _describe_match(names: Sequence[str], classes: Sequence[str], numbers: Numbers) -> str:
    known = numbers[numbers >= 0]
    moved = int((numbers != np.arange(len(numbers)))[numbers >= 0].sum())
    missing = [name for name, number in zip(names, numbers, strict=True) if number < 0]
    without = f"; without images and none of the model's: {_join_names(missing)}" if missing else ""
    return (
        f"Found by name among the model's {_count_names(classes)}: {len(known):,} of the images' "
        f"{len(names):,}, {moved:,} with another number there{without}."
    )


def _check_found(model: LoadedModel, images: Images, found: list[list[int]], occurring: list[int]) -> None:
    names, classes = images.classes, model.classes or ()
    help_ = (
        "Rename them (--classes FILE gives the model other names), or take class k of the images for the "
        "model's class k, whatever the names: --labels by-position (matching='by-position')."
    )
    if nameless := [str(label) for label in occurring if label >= len(names)]:
        raise DataError(
            f"{images.dataset}: the labels {_join_names(nameless)} have no name among the images' "
            f"{_count_names(names)}, and the model's classes are matched by name. {help_}"
        )
    if strange := [names[label] for label in occurring if not found[label]]:
        close = get_close_matches(strange[0], classes, 1)
        hint = f" (like {strange[0]!r} it has {close[0]!r})" if close else ""
        raise DataError(
            f"{images.dataset}: {len(strange):,} of the images' {_count_names(names)} are none of "
            f"the {len(classes):,} that {model.name} knows: {_join_names(strange)}; its own are "
            f"{_join_names(classes)}{hint}. {help_}"
        )
    if twice := _find_duplicate(found, occurring):
        one, other = twice
        raise DataError(
            f"{images.dataset}: the images' classes {one} ({names[one]!r}) and {other} ({names[other]!r}) "
            f"are both the model's class {found[one][0]} ({classes[found[one][0]]!r}). {help_}"
        )
    if several := [label for label in occurring if len(found[label]) > 1]:
        places = ", ".join(f"{number} ({classes[number]!r})" for number in found[several[0]][:SHOWN])
        raise DataError(
            f"{images.dataset}: the class {names[several[0]]!r} of the images may be several of "
            f"{model.name}'s: {places}. Name it by its WordNet id, or exactly as the model does. {help_}"
        )


def _find_duplicate(found: list[list[int]], occurring: list[int]) -> tuple[int, int] | None:
    """Two classes with images that are one class of the model."""
    first: dict[int, int] = {}
    for label in occurring:
        if len(found[label]) == 1 and (other := first.setdefault(found[label][0], label)) != label:
            return other, label
    return None


def _find_outputs(model: LoadedModel, images: Images) -> int | None:
    """How many logits a model gives for such images, None where it gives none; run once, if not before."""
    given = getattr(images, "given_shape", None) or images.shape
    if model.probe is not None and model.probe.shape == given:
        return model.probe.outputs
    return count_outputs(model.module, images.shape)


def _check_channels(model: LoadedModel, images: Images) -> None:
    """Refuse a normalisation of other channels than the images have."""
    done, channels = model.normalisation, images.shape[0]
    if done is not None and len(done.means) not in (1, channels):
        raise ModelError(
            f"{model.name}: its normalisation is of {len(done.means)} channels, and the images of "
            f"{images.dataset} have {channels}; give a mean and std for each, or one for all."
        )


def _check_outputs(model: LoadedModel, images: Images) -> None:
    named, outputs = len(model.classes or ()), _find_outputs(model, images)
    if outputs not in (None, named):
        raise ModelError(
            f"{model.name} has {outputs:,} outputs and {named:,} names of classes: give it as many names "
            "(--classes FILE)."
        )


def _count_names(names: Sequence[str]) -> str:
    return f"{len(names):,} class{'es' if len(names) != 1 else ''}"


def _join_names(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"
