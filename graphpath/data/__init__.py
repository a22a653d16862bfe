"""Images by name: what is traced, attacked and trained on. Needs torch."""

from graphpath.extras import needs_extra

with needs_extra("graphpath.data", "trace"):
    from graphpath.data.arrays import TensorImages
    from graphpath.data.base import BaseImages, Images
    from graphpath.data.given import Given, Labels, as_images
    from graphpath.data.loader import LoaderImages
    from graphpath.data.matched import MatchedImages
    from graphpath.data.open import open_images

__all__ = [
    "BaseImages",
    "Given",
    "Images",
    "Labels",
    "LoaderImages",
    "MatchedImages",
    "TensorImages",
    "as_images",
    "open_images",
]
