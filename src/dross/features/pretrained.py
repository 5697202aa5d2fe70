"""Images or texts as the vectors of a pretrained encoder, each computed once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from dross.errors import ModelFileError
from dross.features.base import Explanations, Features, ImageForm, State, check_enough, refuse_equal
from dross.features.cache import KEY_BYTES, VectorCache
from dross.features.encoder_files import EncoderFiles
from dross.features.encoders import ImageEncoder, TextEncoder
from dross.features.image_scaler import ImageScaler
from dross.features.occlusion import explain_images
from dross.parameters import check_choice
from dross.sources.images import ImageSource
from dross.sources.text import TextSource

if TYPE_CHECKING:
    from dross.base import BaseDetector
    from dross.sources.base import RowSource, Source

__all__ = ["Pretrained", "to_length"]

_BATCH = 32
_SORTED = 32 * _BATCH  # texts put in order of their length, so that a batch holds little padding
_MOST_MAPPED = 20
_MOST_PARTS = 16
_SHOWN_PART = 120


@dataclass(kw_only=True, eq=False)
class Pretrained(Features):
    """The vectors of a pretrained encoder, brought to one length.

    Images are read anew at their full size and prepared as the encoder's own configuration says; of a clip of
    a video the middle frame. What was encoded once, with the same encoder, is taken from a folder on disk
    (``DROSS_CACHE``), by its content: neither names nor folders matter.

    **Contamination**: the encoder has not seen the data, so that no anomaly can have shaped its vectors.

    Parameters
    ----------
    model : str
        A folder as transformers or sentence-transformers save it, or a hub id.
    device : "auto", "cpu" or "cuda", default "auto"
    precision : "auto", "32" or "bf16", default "auto"
        "auto" takes bf16 where the hardware multiplies it natively.

    Attributes
    ----------
    files : EncoderFiles
        What was read of the encoder, with checksums.
    """

    model: str
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        check_choice(self, "precision", "auto", "32", "bf16")
        self.feature_owner: list[str] = []
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}
        self._family = ""
        self._scaler: ImageScaler | None = None

    @property
    def image_form(self) -> ImageForm:
        """Files in any form; an array's images are scaled as the ones fitted on, and never resized."""
        return ImageForm() if self._scaler is None else replace(self._scaler.image_form, size=None)

    def fit(self, source: Source) -> Self:
        """Find the encoder, and the range of the values if the images are an array.

        Raises
        ------
        InputError
            There is no such encoder, it is of another kind, there are fewer than 5 rows, or all of them are
            equal texts, or copies of one file.
        """
        check_enough(source, "rows")
        if _all_equal(source):
            refuse_equal(source, f"{source.family}s")
        self._family = source.family
        self.files = EncoderFiles.open(self.model, _extra(source.family))
        self._build_encoder()
        if isinstance(source, ImageSource) and source.path is None:
            self._scaler = ImageScaler().fit(source)
        return self

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return ``(n, d)``, each row of length ``sqrt(d)``."""
        keys = self._keys(source)
        cache = VectorCache(f"{self._family}-{self._encoder.fingerprint}")
        found, n_known = cache.complete(keys, lambda rows: self._encoded(source, rows))
        self._describe(found.shape[1], taken=n_known, total=len(keys))
        return to_length(found)

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Cover parts of the 20 most anomalous images or texts and see where that lowers the score."""
        del X
        if isinstance(source, ImageSource):
            return explain_images(
                lambda x: detector.anomaly_score(to_length(self._images.vectors(x))),
                lambda some: self.image_batches(source, some),
                lambda heat, row: self.back(heat, source, row),
                rows,
                _MOST_MAPPED,
            )
        texts = cast("TextSource", source).read(rows[:_MOST_MAPPED])
        others = ["unlike the other texts as a whole"] * len(rows[_MOST_MAPPED:])
        return Explanations([self._strongest_part(detector, text) for text in texts] + others)

    def get_state(self) -> State:
        """Return the encoder's files, or their checksums if they are larger than 100 MB."""
        values, arrays = self.files.get_state()
        values |= {"family": self._family, "precision": self.precision, "dimensions": len(self.feature_owner)}
        if self._scaler is not None:
            values["scaling"] = self._scaler.get_state()[0]
        return values, arrays

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        features = cls(model=str(values["name"]), precision=str(values["precision"]))
        features._family = str(values["family"])
        features.files = EncoderFiles.from_state(values, arrays, _extra(features._family))
        features._build_encoder()
        if "scaling" in values:
            features._scaler = ImageScaler.from_state(values["scaling"], {})
        features._describe(int(values["dimensions"]))
        return features

    def _build_encoder(self) -> None:
        options = {"device": self.device, "precision": self.precision}
        self._images = ImageEncoder(self.files, **options)
        self._texts = TextEncoder(self.files, **options)
        self._encoder.check()

    @property
    def _encoder(self) -> ImageEncoder | TextEncoder:
        return self._texts if self._family == "text" else self._images

    def _keys(self, source: Source) -> list[bytes]:
        """Return the digests of what is encoded."""
        if isinstance(source, TextSource):
            return [_digest(text.encode("utf-8", "surrogatepass")) for text in source.documents()]
        images = cast("ImageSource", source)
        if images.digests is not None:
            return images.digests
        pictures = (self._image(images, row) for row in range(len(images)))
        return [_digest(repr(one.size).encode() + one.tobytes()) for one in pictures]

    def _encoded(
        self, source: Source, rows: NDArray[np.int64]
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        """Yield rows and their vectors, batch by batch."""
        if isinstance(source, TextSource):
            yield from self._encoded_texts(source, rows)
            return
        start = 0
        for x in self.image_batches(cast("ImageSource", source), rows):
            yield rows[start : start + len(x)].tolist(), self._images.vectors(x)
            start += len(x)

    def image_batches(self, source: ImageSource, rows: NDArray[np.int64]) -> Iterator[torch.Tensor]:
        """Yield batches ``(b, 3, h, w)`` as the encoder takes them, of rows in rising order."""
        images = self._prepared(source, rows)
        while batch := list(islice(images, _BATCH)):
            yield torch.from_numpy(np.stack(batch))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Return the encoder's local descriptors ``(b, d, h, w)`` of a batch of images."""
        return self._images.maps(x)

    def _encoded_texts(
        self, source: TextSource, rows: NDArray[np.int64]
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        wanted = set(rows.tolist())
        documents = ((row, text) for row, text in enumerate(source.documents()) if row in wanted)
        while chunk := list(islice(documents, _SORTED)):
            part, texts = np.array([row for row, _ in chunk]), [text for _, text in chunk]
            order = np.argsort([-len(text) for text in texts], kind="stable")
            for first in range(0, len(part), _BATCH):
                chosen = order[first : first + _BATCH]
                yield part[chosen].tolist(), self._texts.vectors([texts[i] for i in chosen])

    def _prepared(self, source: ImageSource, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        if not len(rows):
            return iter(())
        if source.path is not None:
            return source.originals(self._images.prepare, rows)
        return (self._images.prepare(self._image(source, int(row))) for row in rows)

    def _image(self, source: ImageSource, row: int) -> Image.Image:
        """Return one image of an array, its values scaled to bytes."""
        if self._scaler is None:
            if source.rows.dtype != np.uint8:
                raise ModelFileError("The model was fitted on files of images; these values are no bytes.")
            pixels = np.asarray(source.rows[row : row + 1])[0]
        else:
            pixels = (255 * self._scaler.transform(source)[row : row + 1][0]).round().astype(np.uint8)
        grey = len(pixels) not in (3, 4)
        return Image.fromarray(pixels[0] if grey else np.moveaxis(pixels[:3], 0, -1)).convert("RGB")

    def back(self, heat: NDArray[np.float32], source: ImageSource, row: int) -> NDArray[np.float32]:
        """Return a map of what the encoder saw of a row as a map of the row as it is shown."""
        height, width = source.rows.shape[2:]
        size = (
            (width, height)
            if source.sizes is None
            else (int(source.sizes[row][0]), int(source.sizes[row][1]))
        )
        return self._images.prepare.back(heat, size, (height, width))

    def _strongest_part(self, detector: BaseDetector, text: str) -> str:
        """Name the sentence, or the words, without which the text is least anomalous."""
        parts = _parts(text)
        if len(parts) < 2:
            return "unlike the other texts as a whole"
        variants = [text, *(" ".join(parts[:i] + parts[i + 1 :]) for i in range(len(parts)))]
        scores = detector.anomaly_score(to_length(self._texts.vectors(variants)))
        gains = scores[0] - scores[1:]
        if gains.max() <= 0:
            return "unlike the other texts as a whole"
        part = parts[int(gains.argmax())]
        return f"mostly by: {part[:_SHOWN_PART]!r}" + ("…" if len(part) > _SHOWN_PART else "")

    def _describe(self, n_dimensions: int, taken: int = 0, total: int = 0) -> None:
        self.feature_owner = [self._family] * n_dimensions
        self.description = {
            "encoder": self.files.name,
            "encoder_checksum": self.files.fingerprint,
            "dimensions": n_dimensions,
        }
        of = "" if self._family == "text" else ", which takes pictures at their full size"
        self.notes = [f"vectors of {n_dimensions} numbers by the encoder {self.files.name}{of}"]
        if taken:
            self.notes.append(f"{taken:,} of {total:,} vectors had been computed before")


def _all_equal(source: Source) -> bool:
    """Whether texts or files are all the same; what an array holds is looked at by its scaler."""
    if isinstance(source, TextSource):
        texts = source.documents()
        first = next(texts)
        return all(text == first for text in texts)
    digests = cast("ImageSource", source).digests
    return digests is not None and all(digest == digests[0] for digest in digests)


def _extra(family: str) -> str:
    return "text" if family == "text" else "vision"


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=KEY_BYTES).digest()


def to_length(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length ``sqrt(d)``: values about as large as standardised ones."""
    length = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    scaled = vectors * (np.sqrt(vectors.shape[1]) / np.where(length > 0, length, 1))
    return np.asarray(scaled, np.float32)


def _parts(text: str) -> list[str]:
    """Return the sentences of a text, or its words if it is one, in at most 16 parts.

    >>> _parts("One two. Three!"), _parts("one two")
    (['One two.', 'Three!'], ['one', 'two'])
    """
    parts = [part for part in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if part.strip()]
    if len(parts) < 2:
        parts = text.split()
    size = -(-len(parts) // _MOST_PARTS) or 1
    return [" ".join(parts[i : i + size]) for i in range(0, len(parts), size)]
