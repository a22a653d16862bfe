"""The methods by name, with their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from graphpath.errors import MethodError
from graphpath.tracing.batch import CompiledNetwork, Selection
from graphpath.tracing.diffusion import pixels
from graphpath.tracing.fitting import Fitted
from graphpath.tracing.maps import MapSelection
from graphpath.tracing.methods import (
    channels,
    controls,
    dgr,
    diffusion,
    distilled,
    effective_path,
    greedy,
    lrp,
    neuron_intgrad,
    neuron_mct,
)
from graphpath.tracing.options import check_type
from graphpath.tracing.registered import Methods
from graphpath.tracing.taking import Extractor, OneAnImage

Result = TypeVar("Result", covariant=True)


@dataclass(frozen=True)
class Method(Generic[Result]):
    """A method by name: of a tracing method, ``select(batch, **options)`` gives each image's selection.

    A package of its own registers one by an entry point of the group ``graphpath.methods``, whose name is the
    method's and whose value is the method, or a function that returns it::

        def select(batch: Batch, *, sparsity: float = 0.9) -> Selection:
            return join(batch, most(batch, batch.held.output.abs(), sparsity))

        METHOD = Method("loudest", "what it is after: a paper, a control", False, select)

    Args:
        name: what users write.
        source: where the method is from, in a few words.
        edges: True where ``select`` chooses edges, False where it chooses neurons, which are then joined.
        select: from a :class:`~graphpath.tracing.batch.Batch` of N images to a
            :class:`~graphpath.tracing.batch.Selection`, or a ``MapSelection`` for edges between feature maps.
            Its keyword-only arguments are the method's options, each with a default and a type: float, int,
            str, bool, None, a Literal, or a union of these.
        prepare: ``prepare(compiled, **options)`` gives an ``Extractor``, not ``select``, for methods that
            make something ready once a network, or take several pathways of an image.
        readers: by option, a function from what users may write to the form in which it is kept.
        fit: ``fit(examples, **options)``, for methods that learn from all images before they select on any.
            What it gives is ``select``'s second argument; JSON must be able to hold it.
        distribution: the name and version of the package that registers it; graphpath fills it in.
        share_kept: for a method of neurons, the largest share of them that it keeps, by its options; without
            it, what the option ``sparsity`` leaves.
    """

    name: str
    source: str
    edges: bool
    select: Callable[..., Result]
    prepare: Callable[..., Extractor] | None = None
    readers: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    fit: Callable[..., Fitted] | None = None
    distribution: tuple[str, str] | None = None
    share_kept: Callable[[Mapping[str, Any]], float] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Its options with their defaults."""
        parameters = inspect.signature(self.select).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def kept(self, options: Mapping[str, Any]) -> float:
        """The largest share of neurons that a method of neurons keeps, as far as its options tell."""
        if self.share_kept is not None:
            return self.share_kept(options)
        return 1 - float(options.get("sparsity", 0))

    def bind_fit(self, fitted: Fitted | None) -> Callable[..., Result]:
        """``select`` that has what ``fit`` gave."""
        select = self.select
        return select if self.fit is None else lambda batch, **options: select(batch, fitted, **options)

    def resolve_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options, those given over the defaults.

        Raises MethodError for an option that the method does not take or of another type.
        """
        known = self.options
        for name in options:
            if name not in known:
                takes = ", ".join(known) or "none"
                raise MethodError(f"Method {self.name!r} takes no option {name!r}; it takes {takes}.")
        types = get_type_hints(self.select)
        return {
            name: self._resolve_option(name, options.get(name, default), types[name])
            for name, default in known.items()
        }

    def _resolve_option(self, name: str, value: Any, expected: Any) -> Any:
        if name in self.readers:
            return self.readers[name](value)
        return check_type(name, value, expected, self.name)


TracingMethod = Method[Selection] | Method[MapSelection]
"""What a tracing method gives: edges between neurons, or between feature maps."""

_OF_NEURONS = (
    Method("effective_path", "Qiu et al. 2019", True, effective_path.select, fit=effective_path.fit),
    Method(
        "diffusion",
        "Lyu et al. 2024",
        True,
        diffusion.select,
        prepare=diffusion.prepare,
        readers={"pixels": pixels.parse_pixels},
    ),
    Method("neuron_mct", "Khakzar et al. 2021", False, neuron_mct.select),
    Method("neuron_intgrad", "Khakzar et al. 2021", False, neuron_intgrad.select),
    Method("greedy", "Khakzar et al. 2021", False, greedy.select, share_kept=greedy.share_kept),
    Method("dgr", "Wang et al. 2018", False, dgr.select),
    Method("distilled", "Yu et al. 2018", False, distilled.select, fit=distilled.fit),
    Method("lrp", "Bach et al. 2015, Montavon et al. 2017", True, lrp.select),
    Method("activation", "control: largest activations", False, controls.select_activation),
    Method("random", "control: uniform", False, controls.select_random),
)

_OF_MAPS = (Method("channels", "W * dW, as in SNIP", True, channels.select, prepare=channels.prepare),)

NEURON_METHODS: dict[str, Method[Selection]] = {method.name: method for method in _OF_NEURONS}
"""Those that give edges between neurons."""

METHODS = Methods({**NEURON_METHODS, **{method.name: method for method in _OF_MAPS}})
"""All tracing methods, those of other packages too."""


def find_method(name: str) -> TracingMethod:
    """The method called ``name``. Raises MethodError where there is none, or it cannot be used."""
    return METHODS.find(name)


def make_ready(
    method: TracingMethod, compiled: CompiledNetwork, options: Mapping[str, Any], fitted: Fitted | None = None
) -> Extractor:
    """A tracing method with its resolved options and what it learned, for one network."""
    if method.prepare is None:
        return OneAnImage(method.bind_fit(fitted), options)
    return method.prepare(compiled, **options)
