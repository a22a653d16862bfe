"""Networks by name, and the small ones that graphpath trains. Needs torch."""

from graphpath.extras import needs_extra

with needs_extra("graphpath.models", "trace"):
    from graphpath.models.architectures import ARCHITECTURES
    from graphpath.models.called import class_called
    from graphpath.models.checkpoint import load_checkpoint, read_checkpoint
    from graphpath.models.evaluating import eval_mode
    from graphpath.models.load import load_model
    from graphpath.models.loaded import LoadedModel, as_loaded, digest_weights
    from graphpath.models.meeting import BY_NAME, BY_POSITION, MATCHING, match_classes
    from graphpath.models.normalize import Normalize
    from graphpath.models.training import Step, TrainedModel, evaluate, predict, train

__all__ = [
    "ARCHITECTURES",
    "BY_NAME",
    "BY_POSITION",
    "MATCHING",
    "LoadedModel",
    "Normalize",
    "Step",
    "TrainedModel",
    "as_loaded",
    "class_called",
    "digest_weights",
    "eval_mode",
    "evaluate",
    "load_checkpoint",
    "load_model",
    "match_classes",
    "predict",
    "read_checkpoint",
    "train",
]
