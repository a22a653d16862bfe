"""Operations in place, written as what they compute: a graph in which no value ever changes."""

from __future__ import annotations

from typing import Any

import torch
import torch.fx
from torch import Tensor

_MAY_GIVE_THEIR_INPUT = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "rrelu")
"""Operations that may give their own input although their schemas do not say so."""


def make_functional(graph: torch.fx.Graph) -> bool:
    """Replace operations in place by their functional ones, in ``graph`` itself, where that is plain.

    It is where nothing else that shares the changed tensor's memory is read afterwards. False: an operation
    in place is left, and a decomposition has to follow it.
    """
    nodes = list(graph.nodes)
    order = {node: number for number, node in enumerate(nodes)}
    left = False
    for node in nodes:
        if not _changes(node):
            continue
        functional = _functional(node)
        if functional is None or _shared_later(node, nodes, order):
            left = True
            continue
        changed = node.args[0]
        node.target = functional
        later = {user for user in changed.users if order[user] > order[node]}
        changed.replace_all_uses_with(node, delete_user_cb=later.__contains__)
    return not left


def _changes(node: torch.fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _functional(node: torch.fx.Node) -> Any:
    """The operation that gives what an operation in place writes; None where there is no such one."""
    target = node.target
    assert isinstance(target, torch._ops.OpOverload)
    namespace, name = target._schema.name.split("::")
    packet = getattr(getattr(torch.ops, namespace), name[:-1], None) if name.endswith("_") else None
    found = getattr(packet, target._overloadname, None)
    base = node.args[0] if node.args else None
    if found is None or found._schema.is_mutable:
        return None
    if not isinstance(base, torch.fx.Node) or base.op == "placeholder":
        return None
    before, after = base.meta.get("val"), node.meta.get("val")
    if not isinstance(before, Tensor) or not isinstance(after, Tensor):
        return None
    return found if (before.shape, before.dtype) == (after.shape, after.dtype) else None


def _shared_later(node: torch.fx.Node, nodes: list[torch.fx.Node], order: dict[torch.fx.Node, int]) -> bool:
    """Whether a tensor that shares memory with the changed one is read after the change."""
    changed = node.args[0]
    assert isinstance(changed, torch.fx.Node)
    root = _root(changed)
    others = (other for other in nodes if other not in (changed, node) and _root(other) is root)
    return any(
        order[user] > order[node] for other in others for user in other.users if order[other] < order[node]
    )


def _root(node: torch.fx.Node) -> torch.fx.Node:
    """The value whose memory a value may share."""
    while _may_alias(node):
        source = node.args[0]
        source = source[0] if isinstance(source, (list, tuple)) else source
        if not isinstance(source, torch.fx.Node):
            break
        node = source
    return node


def _may_alias(node: torch.fx.Node) -> bool:
    if node.op != "call_function" or not node.args:
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return True  # getitem
    schema = node.target._schema
    declared = any(given.alias_info is not None for given in schema.returns)
    return declared or schema.name.split("::")[1].rstrip("_") in _MAY_GIVE_THEIR_INPUT
