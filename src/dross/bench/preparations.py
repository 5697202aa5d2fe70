"""Rows of a data set as the numbers that a table's protocol feeds to its methods; no label is seen here.

Each function takes the training rows and the rows to score (the same object where they are the same rows) and
returns both as arrays; whatever is fitted is fitted on the training rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.errors import ParameterError

__all__ = [
    "contrast_normalised",
    "netvlad",
    "one_hot",
    "plain",
    "signed_pixels",
    "standardised",
    "standardised_pixels",
    "text_vectors",
    "unit_pixels",
    "unit_sphere_pixels",
]

_LARGEST_SIDE = 64

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


def plain(train: Any, scored: Any) -> Pair:
    """Return numbers as they are, as float32."""
    return _each(train, scored, lambda x: np.asarray(x, np.float32))


def unit_pixels(train: Any, scored: Any) -> Pair:
    """Return pixels between 0 and 1."""
    return _each(train, scored, lambda x: np.asarray(x, np.float32) / 255)


def signed_pixels(train: Any, scored: Any) -> Pair:
    """Return pixels between -1 and 1."""
    return _each(train, scored, lambda x: np.asarray(x, np.float32) / 127.5 - 1)


def unit_sphere_pixels(train: Any, scored: Any) -> Pair:
    """Return pixels between -1 and 1, then each image divided by its Euclidean norm, as RSRAE does."""

    def prepare(x: Any) -> NDArray[np.float32]:
        images = np.asarray(x, np.float32) / 127.5 - 1
        norms = np.sqrt(np.einsum("nchw,nchw->n", images, images))
        return np.asarray(images / np.maximum(norms, np.finfo(np.float32).tiny)[:, None, None, None])

    return _each(train, scored, prepare)


def standardised_pixels(train: Any, scored: Any) -> Pair:
    """Return pixels with mean 0 and deviation 1 over all training pixels, as Toll does on MNIST."""
    pixels = np.asarray(train)
    mean, deviation = float(pixels.mean(dtype=np.float64)), float(pixels.std(dtype=np.float64)) or 1.0
    return _each(train, scored, lambda x: (np.asarray(x, np.float32) - mean) / deviation)


def contrast_normalised(train: Any, scored: Any) -> Pair:
    """Return images less their mean, over their mean absolute value; the training rows then span [0, 1].

    Toll's preparation of CIFAR-10. Its text lost which norm is meant; the L1 norm is the usual one.
    """

    def normalise(x: Any) -> NDArray[np.float32]:
        images = np.asarray(x, np.float32)
        images = images - images.mean(axis=(1, 2, 3), keepdims=True)
        norms = np.abs(images).mean(axis=(1, 2, 3), keepdims=True)
        return np.asarray(images / np.maximum(norms, np.finfo(np.float32).tiny))

    rows, others = _each(train, scored, normalise)
    low, high = float(rows.min()), float(rows.max())
    return _each(rows, others, lambda x: (x - low) / max(high - low, np.finfo(np.float32).tiny))


def standardised(train: Any, scored: Any) -> Pair:
    """Return columns with the training rows' mean 0 and deviation 1."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return _each(train, scored, lambda x: np.asarray(scaler.transform(x), np.float32))


def one_hot(train: Any, scored: Any) -> Pair:
    """Return a table with its text columns one-hot and the others scaled to [0, 1] by the training rows."""
    import pyarrow as pa
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder

    names = train.column_names
    texts = [name for name in names if pa.types.is_string(train.schema.field(name).type)]
    numbers = [name for name in names if name not in texts]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
    encoder.fit(_columns(train, texts, object))
    scaler = MinMaxScaler().fit(_columns(train, numbers, np.float32))

    def encode(table: Any) -> NDArray[np.float32]:
        parts = [
            scaler.transform(_columns(table, numbers, np.float32)),
            encoder.transform(_columns(table, texts, object)),
        ]
        return np.asarray(np.hstack(parts), np.float32)

    return _each(train, scored, encode)


def netvlad(train: Any, scored: Any, *, seed: int) -> Pair:
    """Return NetVLAD of a net that learns from the training images alone, at most 64 pixels a side."""
    from dross.features.netvlad import NetVLAD
    from dross.sources import open_source
    from dross.sources.base import ReadOptions

    options = ReadOptions(image_size=_LARGEST_SIDE if max(train.shape[2:]) > _LARGEST_SIDE else None)
    features = NetVLAD(random_state=seed).fit(open_source(train, options))
    return _each(train, scored, lambda x: features.transform(open_source(x, options)))


def text_vectors(train: Any, scored: Any, *, encoder: str) -> Pair:
    """Return the vectors of a text encoder; a blank text counts as one of a dash."""
    import pyarrow as pa

    from dross.features.pretrained import Pretrained
    from dross.sources import open_source
    from dross.sources.base import ReadOptions

    def encode(texts: list[str]) -> NDArray[np.float32]:
        table = pa.table({"text": [text if text.strip() else "-" for text in texts]})
        source = open_source(table, ReadOptions(text_column="text"))
        return Pretrained(model=encoder).fit(source).transform(source)

    return _each(train, scored, encode)


def _columns(table: Any, names: list[str], dtype: Any) -> NDArray[Any]:
    if not names:
        raise ParameterError("The table has no text column, or no number.")
    return np.column_stack([table[name].to_numpy().astype(dtype) for name in names])


def _each(train: Any, scored: Any, function: Any) -> Pair:
    """Apply a function to both, once where they are the same rows."""
    first = function(train)
    return first, first if scored is train else function(scored)
