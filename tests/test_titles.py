"""Names that a person can say: how those of well-known networks read, and that no two layers have one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphpath.titles import SEPARATOR, block_of, name_layers, name_map

KINDS = {"iadd": "add", "add": "add", "input": "input"}

READ = """
# one list
input = input
0 = conv 1
2 = conv 2
6 = conv 3
8 = logits

# lists of lists
input = input
0.0 = block 0 · conv 1
0.3 = block 0 · conv 2
1.0 = block 1 · conv 1
1.3 = block 1 · conv 2
4 = logits

# alexnet
input = input
features.0 = conv 1
features.3 = conv 2
classifier.1 = classifier 1
classifier.4 = classifier 2
classifier.6 = logits

# resnet50
input = input
conv1 = conv 1
layer1.0.conv1 = layer 1.0 · conv 1
layer1.0.conv2 = layer 1.0 · conv 2
layer1.0.iadd = layer 1.0 · sum
layer1.1.conv1 = layer 1.1 · conv 1
layer1.1.iadd = layer 1.1 · sum
fc = logits

# mobilenet_v2
input = input
features.0.0 = block 0 · conv
features.3.conv.0.0 = block 3 · conv 1
features.3.conv.1.0 = block 3 · conv 2
features.3.add = block 3 · sum
features.18.0 = block 18 · conv
classifier.1 = logits

# efficientnet_b0
input = input
features.0.0 = block 0 · conv
features.2.0.block.0.0 = block 2.0 · conv 1
features.2.0.block.1.0 = block 2.0 · conv 2
features.2.1.block.0.0 = block 2.1 · conv
features.2.1.iadd = block 2.1 · sum
features.8.0 = block 8 · conv
classifier.1 = logits

# densenet121
input = input
features.conv0 = conv 0
features.denseblock1.denselayer1.norm1 = denseblock 1 · denselayer 1 · norm 1
features.denseblock1.denselayer1.conv1 = denseblock 1 · denselayer 1 · conv 1
features.transition1.conv = transition 1
classifier = logits

# googlenet
input = input
inception3a.branch1.conv = inception 3a · branch 1 · conv
inception3a.branch2.0.conv = inception 3a · branch 2 · conv 1
inception3a.branch2.1.conv = inception 3a · branch 2 · conv 2
fc = logits

# squeezenet1_1
input = input
features.0 = conv
features.3.squeeze = block 3 · squeeze
features.3.expand1x1 = block 3 · expand1x1
features.3.expand3x3 = block 3 · expand3x3
classifier.1 = classifier
logits = logits

# regnet
input = input
stem.0 = stem
trunk_output.block1.block1-0.f.a.0 = block 1-0 · a
trunk_output.block1.block1-0.f.b.0 = block 1-0 · b
trunk_output.block1.block1-0.add = block 1-0 · sum
fc = logits

# timm's resnetv2
input = input
stem.conv = stem
stages.0.blocks.1.norm1.batch_norm = stage 0 · block 1 · norm 1
stages.0.blocks.1.conv1 = stage 0 · block 1 · conv 1
stages.0.blocks.1.add = stage 0 · block 1 · sum
head.fc = logits

# timm's regnet
input = input
stem.conv = stem
s1.b1.conv1.conv = s1 · b1 · conv 1
s1.b1.conv2.conv = s1 · b1 · conv 2
s1.b1.add = s1 · b1 · sum
head.fc = logits

# timm's efficientnet
input = input
conv_stem = conv stem
blocks.1.0.conv_pw = block 1.0 · conv pw
blocks.1.0.conv_dw = block 1.0 · conv dw
blocks.1.0.add = block 1.0 · sum
conv_head = conv head
classifier = logits

# efficientnet-lite, wrapped
input = input
net._conv_stem.conv2d = conv stem
net._blocks.4._depthwise_conv.conv2d = block 4 · depthwise conv
net._blocks.4._project_conv.conv2d = block 4 · project conv
net._blocks.4.add = block 4 · sum
net._fc = logits

# kuangliu's googlenet
input = input
pre_layers.0 = pre layers
a3.b1.0 = a3 · b1 · conv
a3.b2.0 = a3 · b2 · conv 1
a3.b2.3 = a3 · b2 · conv 2
linear = logits

# two sums
input = input
encoder.layers.0.add = layer 0 · sum 1
encoder.layers.0.mlp.0 = layer 0 · mlp
encoder.layers.0.add:2 = layer 0 · sum 2
head = logits

# two towers
input = input
left.layers.0.conv1 = left · layer 0 · conv 1
left.layers.0.conv2 = left · layer 0 · conv 2
right.layers.0.conv1 = right · layer 0 · conv 1
right.layers.0.conv2 = right · layer 0 · conv 2
head = logits
"""

NETWORKS = {
    part.splitlines()[0]: dict(line.split(" = ") for line in part.splitlines()[1:])
    for part in READ.removeprefix("\n# ").split("\n# ")
}
"""The titles of a network's layers by their names, by the network."""


def kinds_of(names: list[str]) -> list[str]:
    kinds = [KINDS.get(name.split(":")[0].split(".")[-1], "conv") for name in names]
    kinds = ["norm" if "norm" in name else kind for name, kind in zip(names, kinds, strict=True)]
    return [*kinds[:-1], "logits"]


@pytest.mark.parametrize("network", NETWORKS)
def test_how_layers_read(network: str) -> None:
    names, titles = list(NETWORKS[network]), list(NETWORKS[network].values())
    assert name_layers(names, kinds_of(names)) == titles


def test_a_wrapper_changes_nothing() -> None:
    for bare in map(list, NETWORKS.values()):
        wrapped = [name if name == "input" else f"net.{name}" for name in bare]
        assert name_layers(wrapped, kinds_of(bare)) == name_layers(bare, kinds_of(bare))


PARTS = st.sampled_from(
    ["0", "1", "10", "conv", "conv1", "conv2", "blocks", "features", "add", "a", "b1", "1x1", "", "é·"]
)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map(".".join)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["conv", "add", "attention", "pool", "of theirs"])), max_size=30
    )
)
def test_no_two_are_alike(layers: list[tuple[str, str]]) -> None:
    titles = name_layers([name for name, _ in layers], [kind for _, kind in layers])
    assert len(set(titles)) == len(titles) == len(layers)
    assert all(title.strip() and "\n" not in title for title in titles)


def test_the_block_is_what_is_before_the_last() -> None:
    assert SEPARATOR == " · "
    assert block_of("inception 3a · branch 2 · conv 1") == "inception 3a · branch 2"
    assert block_of("conv 1") == ""
    assert name_map("block 4 · conv 2", 37) == "block 4 · conv 2 · map 37"
