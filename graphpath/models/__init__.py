"""Networks by name, and the small ones that graphpath trains. Needs torch."""

from graphpath.extras import needed_by

with needed_by("graphpath.models", "trace"):
    from graphpath.models.architectures import ARCHITECTURES
    from graphpath.models.called import class_called
    from graphpath.models.checkpoint import load_checkpoint, read_checkpoint
    from graphpath.models.evaluating import evaluating
    from graphpath.models.load import load_model
    from graphpath.models.loaded import LoadedModel, as_loaded, weights_digest
    from graphpath.models.meeting import BY_NAME, BY_POSITION, MATCHING, meeting
    from graphpath.models.normalize import Normalize
    from graphpath.models.training import Step, Trained, evaluate, predicted, train

__all__ = [
    "ARCHITECTURES",
    "BY_NAME",
    "BY_POSITION",
    "MATCHING",
    "LoadedModel",
    "Normalize",
    "Step",
    "Trained",
    "as_loaded",
    "class_called",
    "evaluate",
    "evaluating",
    "load_checkpoint",
    "load_model",
    "meeting",
    "predicted",
    "read_checkpoint",
    "train",
    "weights_digest",
]
