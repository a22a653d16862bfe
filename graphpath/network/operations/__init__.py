"""What a network is made of, once PyTorch's many spellings are gone: a file a family of operations."""

from graphpath.network.geometry import SAME_PLACE, Geometry
from graphpath.network.operations.activations import RELU, Activation, Relu
from graphpath.network.operations.base import (
    Layer,
    Operation,
    Part,
    Unseen,
    Weighted,
    Windowed,
)
from graphpath.network.operations.convolution import Conv, ConvMap
from graphpath.network.operations.dense import Dense, DenseMap
from graphpath.network.operations.diagonal import Add, DiagonalMap, Identity, Input, Norm
from graphpath.network.operations.mixture import MatrixPair, Mixture, MixtureMap
from graphpath.network.operations.modulations import (
    Choice,
    Gate,
    ImageNorm,
    Modulation,
    Quotient,
    Ratio,
    finite,
)
from graphpath.network.operations.moves import (
    Affine,
    Cat,
    Permute,
    Rearrange,
    cat,
    is_reshape,
    permute,
    reshape,
)
from graphpath.network.operations.opaque import Opaque
from graphpath.network.operations.pooling import AveragePool, MaxPool

__all__ = [
    "RELU",
    "SAME_PLACE",
    "Activation",
    "Add",
    "Affine",
    "AveragePool",
    "Cat",
    "Choice",
    "Conv",
    "ConvMap",
    "Dense",
    "DenseMap",
    "DiagonalMap",
    "Gate",
    "Geometry",
    "Identity",
    "ImageNorm",
    "Input",
    "Layer",
    "MatrixPair",
    "MaxPool",
    "Mixture",
    "MixtureMap",
    "Modulation",
    "Norm",
    "Opaque",
    "Operation",
    "Part",
    "Permute",
    "Quotient",
    "Ratio",
    "Rearrange",
    "Relu",
    "Unseen",
    "Weighted",
    "Windowed",
    "cat",
    "finite",
    "is_reshape",
    "permute",
    "reshape",
]
