"""A class by its name: which output of the model it is."""

from __future__ import annotations

from difflib import get_close_matches

from graphpath.classes import Finder
from graphpath.data.matched import MatchedImages
from graphpath.errors import MethodError
from graphpath.models.loaded import LoadedModel

SHOWN = 3
"""Classes named in a sentence."""


def find_class(name: str, model: LoadedModel, images: MatchedImages, what: str, others: str) -> int:
    """The number of the output that ``name`` means, found as the images' classes are found among the model's.

    ``what`` is the argument that has the name; ``others`` are the words that it may be instead. The names are
    the model's or, where it has none, the images'.

    Raises MethodError where no class is meant, or several.
    """
    names = tuple(images.classes or model.classes or ())
    wnids = model.wnids if names == model.classes else None
    found = Finder(names, wnids or ()).find_classes(name)
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{number} ({names[number]!r})" for number in found[:SHOWN])
        raise MethodError(
            f"{what}={name!r} may be several classes of {model.name}: {places}. Give its number, its WordNet "
            "id, or the name exactly as the model has it."
        )
    if not names:
        known = f"{model.name} names no classes"
    else:
        near = get_close_matches(name, names, SHOWN) or names[:SHOWN]
        known = f"of {len(names):,} classes there are {', '.join(map(repr, near))}"
    raise MethodError(f"{what}={name!r} is unknown; expected one of {others}, or a class by name ({known}).")
