"""Names of weights in a file, made those of a network: prefixes off and on; what is missing is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from graphpath.errors import ModelError
from graphpath.models.inner import find_inner
from graphpath.models.tensors import EXTRA, FoundState

Tensors = Mapping[str, torch.Tensor]

WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "ema_model.")
"""What DataParallel and AveragedModel, torch.compile and training programs put before every name."""

IDLE = ("num_batches_tracked", "total_ops", "total_params", "n_averaged", EXTRA)
"""Counters of batch norm, of programs that count operations, of averaging; no weights."""

SHOWN = 3
"""Names in a sentence."""


@dataclass(frozen=True)
class Renaming:
    """The file's names without ``removed``, with ``added``; names that do not begin so are left out."""

    removed: str = ""
    added: str = ""

    def apply(self, names: Iterable[str]) -> dict[str, str]:
        """The network's name for each of a file's that begins with ``removed``."""
        cut = len(self.removed)
        return {f"{self.added}{name[cut:]}": name for name in names if name.startswith(self.removed)}


@dataclass(frozen=True)
class Fitted:
    """Weights by the network's names."""

    tensors: Tensors
    words: str
    """How they came to be so, such as "under state_dict"; empty if they are as they were."""


def fit_names(names: Sequence[str], wanted: Sequence[str]) -> list[Renaming]:
    """The renamings by which most of ``wanted`` are found among ``names``, best first.

    Several that are equally good, as of a student and its teacher, differ in what they remove. The first is
    the one that removes least, and only wrappers' prefixes if it can.
    """
    ranked = [
        (-len(set(wanted).intersection(one.apply(names))), not _is_wrapper(one.removed), one)
        for one in _list_renamings(names, wanted)
    ]
    ranked.sort(key=lambda row: (row[0], row[1], len(row[2].removed), len(row[2].added)))
    best = ranked[0][:2]
    return [one for *rank, one in ranked if tuple(rank) == best]


def strip_wrappers(names: Iterable[str]) -> str:
    """The longest composition of wrappers' prefixes that all of ``names`` begin with; idle ones aside."""
    kept = [name for name in names if not _is_idle(name)]
    found = ""
    while kept:
        nexts = [one for one in WRAPPERS if all(name.startswith(found + one) for name in kept)]
        if not nexts:
            break
        found += nexts[0]
    return found


def load_state(module: nn.Module, states: Sequence[FoundState], path: str | Path) -> str:
    """Put the first of ``states`` that fits into ``module``; how it was fitted, in words.

    Every weight of the network must be there, in its shape; other names are refused, but for what lies beside
    a prefix, and counters. A mean and std by which the network normalises pixels may be its own. Raises
    ModelError with the names.
    """
    wanted, tied = module.state_dict(), _find_ties(module)
    own = _find_constants(module, states)
    wanted = {name: value for name, value in wanted.items() if name not in own}
    fitted = choose_state(states, wanted, path, tied)

    bare = any(value.is_meta for value in wanted.values() if isinstance(value, torch.Tensor))

    def load() -> None:
        missing, unknown = module.load_state_dict(fitted.tensors, strict=False, assign=bare)
        lost = [name for name in missing if tied.get(name) not in fitted.tensors and name not in own]
        if [name for name in (*lost, *unknown) if not _is_idle(name)] or _compare_kinds(
            fitted.tensors, wanted
        ):
            raise RuntimeError(f"missing {_join(lost)}; unknown {_join(unknown)}")

    check_fit(path, load, explain_misfit(fitted.tensors, wanted, tied))
    return ", ".join(filter(None, [fitted.words, f"{_join(own)} as the network has them" if own else ""]))


def choose_state(
    states: Sequence[FoundState], wanted: Tensors, path: str | Path, tied: Mapping[str, str] | None = None
) -> Fitted:
    """The first of ``states`` that has all of ``wanted``, by its names; else the one that has most.

    Raises ModelError where two parts of one state dict fit equally well.
    """
    tried = [_fit_state(state, wanted, path, tied or {}) for state in states]
    whole = [k for k, one in enumerate(tried) if not explain_misfit(one.tensors, wanted, tied)]
    if not whole:
        return max(tried, key=lambda one: len(wanted.keys() & one.tensors.keys()))
    chosen = tried[whole[0]]
    if not (others := [states[k].key for k in whole[1:]]):
        return chosen
    beside = f"{_join(others)} beside it {'is' if len(others) == 1 else 'are'} not taken"
    return Fitted(chosen.tensors, f"{chosen.words}; {beside}" if chosen.words else beside)


def check_fit(path: str | Path, load: Callable[[], object], explanation: str = "") -> None:
    """Call ``load``, which puts the weights of ``path`` into a network; ModelError where they do not fit."""
    try:
        load()
    except (RuntimeError, TypeError, AttributeError, KeyError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = explanation or " ".join(lines[1:3] or lines)
        raise ModelError(f"{path}: its weights do not fit the network: {reason}") from error


def explain_misfit(given: Tensors, wanted: Tensors, tied: Mapping[str, str] | None = None) -> str:
    """What of ``wanted`` is missing, too much or of another shape, by name; empty if nothing is.

    ``tied`` has the other name of a weight that the network has twice.
    """
    tied = tied or {}
    needed = [name for name, value in wanted.items() if isinstance(value, torch.Tensor)]
    missing = [name for name in needed if name not in given and tied.get(name) not in given]
    unknown = [name for name in given if name not in wanted]
    missing, unknown = ([name for name in names if not _is_idle(name)] for names in (missing, unknown))
    if missing and unknown and not wanted.keys() & given.keys():
        return (
            f"none of its {len(unknown):,} names ({_join(unknown)}) is one of the network's {len(missing):,} "
            f"({_join(missing)})"
        )
    reasons = []
    if missing:
        reasons.append(
            f"{_count(missing, 'name')} of the network's {len(wanted):,} missing ({_join(missing)})"
        )
    if unknown:
        reasons.append(f"{_count(unknown, 'name')} in it that the network has not ({_join(unknown)})")
    if shapes := _compare_shapes(given, wanted):
        reasons.append(f"{len(shapes):,} of another shape ({_join(shapes)})")
    if kinds := _compare_kinds(given, wanted):
        reasons.append(f"{len(kinds):,} whole numbers, of a quantised network ({_join(kinds)})")
    return "; ".join(reasons)


# ---- renamings ---------------------------------------------------------------------------------------


def _list_renamings(names: Sequence[str], wanted: Sequence[str]) -> Iterator[Renaming]:
    """Every renaming that is worth a try."""
    yield Renaming()
    for added in dict.fromkeys(["", *_list_common(wanted)]):
        inner = [name[len(added) :] for name in wanted]
        anchors = dict.fromkeys([*inner[:1], max(inner, key=len, default=""), *inner[-1:]])
        for removed in dict.fromkeys([strip_wrappers(names), *_find_prefixes(names, list(anchors))]):
            yield Renaming(removed, added)


def _list_common(names: Sequence[str]) -> list[str]:
    """The dotted prefixes that all names share: of a.b.c and a.b.d these are a. and a.b."""
    if not names:
        return []
    first = names[0].split(".")[:-1]
    prefixes = [".".join(first[:k]) + "." for k in range(1, len(first) + 1)]
    return [prefix for prefix in prefixes if all(name.startswith(prefix) for name in names)]


def _find_prefixes(names: Sequence[str], anchors: Sequence[str]) -> list[str]:
    """What stands before an anchor in a name that ends with it."""
    found = [
        name[: -len(anchor)]
        for anchor in anchors
        for name in names
        if anchor and (name == anchor or name.endswith(f".{anchor}"))
    ]
    return list(dict.fromkeys(found))


def _is_wrapper(prefix: str) -> bool:
    while prefix:
        found = next((one for one in WRAPPERS if prefix.startswith(one)), None)
        if found is None:
            return False
        prefix = prefix[len(found) :]
    return True


# ---- states ------------------------------------------------------------------------------------------


def _fit_state(state: FoundState, wanted: Tensors, path: str | Path, tied: Mapping[str, str]) -> Fitted:
    names = [name for name in state.tensors if not _is_idle(name)]
    renamings = fit_names(names, [name for name in wanted if not _is_idle(name)])
    tables = {one: one.apply(state.tensors) for one in renamings}
    made = {one: {new: state.tensors[old] for new, old in tables[one].items()} for one in renamings}
    whole = [one for one in renamings if not explain_misfit(made[one], wanted, tied)]
    chosen = (whole or renamings)[0]
    removed = list(dict.fromkeys(one.removed for one in whole))
    if len(removed) > 1 and not _is_wrapper(chosen.removed):
        raise ModelError(
            f"{path}: the network's names are in it {len(removed)} times, after {_join(removed)}; save the "
            "one that you mean on its own"
        )
    outside = [name for name in names if not name.startswith(chosen.removed)]
    return Fitted(made[chosen], _describe(state, chosen, outside))


def _describe(state: FoundState, chosen: Renaming, outside: Sequence[str]) -> str:
    words = []
    if state.key:
        words.append(f"under {state.key}")
    if chosen.removed:
        words.append(f"without the prefix {chosen.removed}")
    if chosen.added:
        words.append(f"for what lies below {chosen.added} in the network")
    if outside:
        words.append(f"{_count(outside, 'name')} beside that prefix left out ({_join(outside)})")
    if state.left_out:
        words.append(f"{_join(state.left_out)} left out")
    return ", ".join(words)


def _compare_shapes(given: Tensors, wanted: Tensors) -> list[str]:
    return [
        f"{name} is {tuple(given[name].shape)} in the file, {tuple(value.shape)} in the network"
        for name, value in wanted.items()
        if name in given
        and isinstance(value, torch.Tensor)
        and not is_lazy(value)
        and value.shape != given[name].shape
    ]


def _compare_kinds(given: Tensors, wanted: Tensors) -> list[str]:
    """The weights that are floating in the network and whole numbers in the file."""
    return [
        name
        for name, value in wanted.items()
        if name in given
        and isinstance(value, torch.Tensor)
        and value.is_floating_point()
        and not given[name].is_floating_point()
    ]


def _find_ties(module: nn.Module) -> dict[str, str]:
    """For each name of a weight that the network has twice, its other name: a file may have it once."""
    first: dict[int, str] = {}
    ties: dict[str, str] = {}
    for name, value in module.named_parameters(remove_duplicate=False):
        other = first.setdefault(id(value), name)
        if other != name:
            ties[name] = other
            ties.setdefault(other, name)
    return ties


def _find_constants(module: nn.Module, states: Sequence[FoundState]) -> list[str]:
    """The names of the network's own mean and std of pixels, where the file has none of such a name."""
    ends = {name.rpartition(".")[2] for state in states for name in state.tensors}
    kept = [one.list_names() for one in find_inner(module) if not ends.intersection(one.names)]
    return [name for names in kept for name in names if name in module.state_dict()]


def _is_idle(name: str) -> bool:
    return name.rpartition(".")[2] in IDLE


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names):,} {noun}{'' if len(names) == 1 else 's'}"


def _join(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN:,} more"
