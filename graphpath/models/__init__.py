"""Networks by name, and the small ones that graphpath trains. Needs torch."""

from graphpath.extras import needs_extra

with needs_extra("graphpath.models", "trace"):
    from graphpath.models.architectures import ARCHITECTURES
    from graphpath.models.checkpoint import load_checkpoint, read_checkpoint
    from graphpath.models.load import load_model
    from graphpath.models.loaded import LoadedModel, as_loaded, digest_weights
    from graphpath.models.lookup import find_class
    from graphpath.models.matching import BY_NAME, BY_POSITION, MATCHING, match_classes
    from graphpath.models.normalize import Normalize
    from graphpath.models.opening import Opening
    from graphpath.models.training import TrainedModel, TrainingStep, evaluate, predict, train

__all__ = [
    "ARCHITECTURES",
    "BY_NAME",
    "BY_POSITION",
    "MATCHING",
    "LoadedModel",
    "Normalize",
    "Opening",
    "TrainedModel",
    "TrainingStep",
    "as_loaded",
    "digest_weights",
    "evaluate",
    "find_class",
    "load_checkpoint",
    "load_model",
    "match_classes",
    "predict",
    "read_checkpoint",
    "train",
]
