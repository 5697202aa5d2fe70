"""Clips of videos as the vectors of C3D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray

from dross.errors import ModelFileError
from dross.features.base import Explanations, Features, ImageForm, State, check_enough
from dross.features.cache import VectorCache
from dross.features.encoder_files import file_sha256
from dross.features.pretrained import to_length
from dross.nets.c3d import C3DNet, load_c3d
from dross.sources.video import VideoSource
from dross.tensors import resolve_device

if TYPE_CHECKING:
    from dross.base import BaseDetector
    from dross.sources.base import RowSource, Source

__all__ = ["C3D"]

_BATCH = 4
_WIDTH, _HEIGHT, _CROP = 171, 128, 112
_DIMENSIONS = 4096


@dataclass(kw_only=True, eq=False)
class C3D(Features):
    """One vector of C3D's fc6 per clip of 16 frames, brought to one length.

    Frames are resized to 171 x 128 pixels, of which the middle 112 x 112 are taken, as the authors do. What
    was encoded once is taken from a folder on disk, by the content of the file and the number of the clip.

    **Contamination**: the net has not seen the videos.

    Parameters
    ----------
    weights : str
        A safetensors file; ``python -m dross.features.convert_c3d`` makes one of published weights. There are
        no random ones: a net without its weights says nothing.
    device : "auto", "cpu" or "cuda", default "auto"

    References
    ----------
    Tran, Bourdev, Fergus, Torresani, Paluri: Learning spatiotemporal features with 3D convolutional networks.
    ICCV 2015, arXiv 1412.0767.
    """

    weights: str
    device: str = "auto"

    def __post_init__(self) -> None:
        self.feature_owner: list[str] = ["clip"] * _DIMENSIONS
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}
        self.checksum = ""
        self._net: C3DNet | None = None

    @property
    def image_form(self) -> ImageForm:
        """What a video source shows of a clip, of which nothing is taken."""
        return ImageForm((4, 64, 64))

    def fit(self, source: Source) -> Self:
        """Look at the weights.

        Raises
        ------
        InputError
            There is no such file, it holds something else, or there are fewer than 5 clips.
        """
        check_enough(source, "clips")
        self._load()
        self.checksum = file_sha256(Path(self.weights))
        self._describe()
        return self

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return ``(n, 4096)``."""
        clips = cast("VideoSource", source)
        if clips.path is None:
            vectors = np.concatenate([batch for _, batch in self._encoded(clips, np.arange(len(clips)))])
        else:
            cache = VectorCache(f"c3d-{self.checksum[:32]}")
            vectors, _ = cache.complete(clips.digests or [], lambda rows: self._encoded(clips, rows))
        return to_length(vectors)

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Say when: a vector of C3D has no places to point at."""
        del detector, X
        spans = cast("VideoSource", source).spans[rows]
        return Explanations([f"unlike the other clips, from {a:.1f} s to {b:.1f} s" for a, b in spans])

    def get_state(self) -> State:
        """Return where the weights are, and their checksum: they are larger than 100 MB."""
        return {"weights": str(Path(self.weights).resolve()), "checksum": self.checksum}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        del arrays
        features = cls(weights=str(values["weights"]))
        features._load()
        features.checksum = file_sha256(Path(features.weights))
        if features.checksum != values["checksum"]:
            raise ModelFileError(f"the weights {features.weights} are not those fitted with.")
        features._describe()
        return features

    def _load(self) -> None:
        self._net = load_c3d(Path(self.weights)).to(resolve_device(self.device))

    def _encoded(
        self, source: VideoSource, rows: NDArray[np.int64]
    ) -> Iterator[tuple[list[int], NDArray[np.float32]]]:
        net, device = cast("C3DNet", self._net), resolve_device(self.device)
        rows = np.sort(rows)
        clips = source.clips(_WIDTH, _HEIGHT, rows)
        top, left = (_HEIGHT - _CROP) // 2, (_WIDTH - _CROP) // 2
        done = 0
        while batch := list(islice(clips, _BATCH)):
            cut = np.stack(batch)[:, :, top : top + _CROP, left : left + _CROP]
            x = torch.from_numpy(np.moveaxis(cut, 4, 1).astype(np.float32)).to(device)
            with torch.inference_mode():
                yield rows[done : done + len(batch)].tolist(), net(x).float().cpu().numpy()
            done += len(batch)

    def _describe(self) -> None:
        self.description = {"weights": self.weights, "checksum": self.checksum, "dimensions": _DIMENSIONS}
        self.notes = [f"vectors of {_DIMENSIONS} numbers by C3D with the weights {Path(self.weights).name}"]
