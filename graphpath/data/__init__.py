"""Images by name: what is traced, attacked and trained on. Needs torch."""

from graphpath.extras import needed_by

with needed_by("graphpath.data", "trace"):
    from graphpath.data.arrays import TensorImages
    from graphpath.data.base import BaseImages, Images
    from graphpath.data.loader import LoaderImages
    from graphpath.data.open import open_images

__all__ = ["BaseImages", "Images", "LoaderImages", "TensorImages", "open_images"]
