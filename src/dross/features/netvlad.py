"""Images as vectors: local descriptors pooled around centres found among them (NetVLAD)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dross.errors import ParameterError
from dross.features.backbones import Backbone, ModuleBackbone, PretrainedBackbone, TrainedBackbone
from dross.features.base import Explanations, Features, ImageForm, State, below
from dross.features.occlusion import explain_images
from dross.features.pretrained import Pretrained
from dross.nets.netvlad import NetVLADPooling, sample_descriptors
from dross.parameters import check_number
from dross.rows import sample_rows

if TYPE_CHECKING:
    from dross.base import BaseDetector
    from dross.sources.base import RowSource, Source

__all__ = ["NetVLAD"]

_FIT_IMAGES = 5_000
_DESCRIPTORS = 50_000
_MOST_MAPPED = 50


@dataclass(kw_only=True, eq=False)
class NetVLAD(Features):
    """Local descriptors of a convolutional net, pooled into one whitened vector per image.

    The descriptors are those of a net that is trained here, on the images themselves and without labels,
    or of a pretrained one. Centres are found among them by k-means; an image becomes the sums of its
    differences to the centres (`dross.nets.netvlad`), and principal components of equal variance of these.

    **Contamination**: centres and components come from the contaminated images. Few components are kept, so
    that none of them is made of a handful of anomalies: whitening as many as there are images would put all
    images at one distance from each other.

    **Deviation**: lengths are not brought to 1 unless ``published``, and the share of an image's descriptors
    that belongs to each centre is kept. The published form gives a centre that hardly any of them belongs to
    as much weight as the others and loses how often a texture appears: over nets trained here it ranks below
    chance on development draws (docs/choices.md). Without the shares, an anomaly whose descriptors have a
    centre of their own would differ from it by nothing.

    Parameters
    ----------
    backbone : str or nn.Module, default ""
        "" trains an autoencoder's convolutions here; otherwise a pretrained encoder by folder or hub id (see
        `Pretrained`), or a module from images between 0 and 1 to maps ``(b, d, h, w)``.
    n_centres : int, default 64
        As in the paper. Fewer if there are fewer descriptors.
    n_components : int, default 64
        Principal components, at most an eighth of the images. The paper keeps 4 096 of a net trained with
        labels of places.
    published : bool, default False
        Whether the sums are brought to length 1 per centre and in all, without the shares, as in the paper.
    random_state : int, default 0
        Seed of the training, of the samples and of k-means.
    device : "auto", "cpu" or "cuda", default "auto"

    Attributes
    ----------
    pooling : NetVLADPooling
    mean : float32 array (m,)
        Of the pooled vectors: m is ``n_centres * (1 + d)``, or ``n_centres * d`` as published.
    components : float32 array (m, n_components)
        Divided by the deviations, so that the vectors have variance 1 in every direction.

    References
    ----------
    Arandjelović, Gronat, Torii, Pajdla, Sivic: NetVLAD. CVPR 2016, arXiv 1511.07247.

    Examples
    --------
    >>> from dross.sources import open_source
    >>> source = open_source(np.random.default_rng(0).integers(0, 255, (40, 16, 16), dtype=np.uint8))
    >>> NetVLAD(n_centres=4).fit(source).transform(source).shape
    (40, 5)
    """

    backbone: str | nn.Module = ""
    n_centres: int = 64
    n_components: int = 64
    published: bool = False
    random_state: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_number(self, "n_centres", int, 1)
        check_number(self, "n_components", int, 1)
        self.feature_owner: list[str] = []
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}

    @property
    def image_form(self) -> ImageForm:
        """That of the net's images."""
        return self._maps.image_form

    def fit(self, source: Source) -> Self:
        """Train or load the net, find the centres, and the components of the pooled vectors."""
        self._maps = self._build_backbone().fit(source)
        rows = sample_rows(len(source), _FIT_IMAGES, self.random_state)
        self.pooling = NetVLADPooling.from_descriptors(
            self._descriptors(source, rows), self.n_centres, self.random_state, published=self.published
        )
        self._fit_components(self._pooled(source, rows))
        self._describe()
        return self

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return ``(n, n_components)``."""
        return np.concatenate([self._encode(x) for x in self._maps.inputs(source)])

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Cover patches of the 50 most anomalous of ``rows`` and see where that lowers the score."""
        del X
        return explain_images(
            lambda x: detector.anomaly_score(self._encode(x)),
            lambda some: self._maps.inputs(source, some),
            lambda heat, row: self._maps.back(heat, source, row),
            rows,
            _MOST_MAPPED,
        )

    def get_state(self) -> State:
        """Return what was fitted."""
        if isinstance(self._maps, ModuleBackbone):
            raise ParameterError(
                "NetVLAD on a module of your own cannot be saved; name an encoder instead, or give the "
                "vectors that it makes as features."
            )
        values, arrays = cast("TrainedBackbone | PretrainedBackbone", self._maps).get_state()
        own = {"mean": self.mean, "components": self.components, "centres": self.pooling.centres.numpy()}
        return {
            "backbone": self.backbone,
            "alpha": self.pooling.alpha,
            "published": self.published,
            "net": values,
        }, own | {f"net/{name}": array for name, array in arrays.items()}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        features = cls(backbone=str(values["backbone"]), published=bool(values["published"]))
        of_net = below("net/", arrays)
        if features.backbone:
            features._maps = PretrainedBackbone(Pretrained.from_state(values["net"], of_net))
        else:
            features._maps = TrainedBackbone.from_state(values["net"], of_net, features.device)
        features.pooling = NetVLADPooling(
            torch.from_numpy(arrays["centres"]), float(values["alpha"]), published=features.published
        )
        features.mean, features.components = arrays["mean"], arrays["components"]
        features._describe()
        return features

    def _build_backbone(self) -> Backbone:
        if isinstance(self.backbone, nn.Module):
            return ModuleBackbone(self.backbone, device=self.device)
        if self.backbone:
            return PretrainedBackbone(Pretrained(model=self.backbone, device=self.device))
        return TrainedBackbone(random_state=self.random_state, device=self.device)

    def _descriptors(self, source: Source, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return at most 50 000 descriptors, as many of each image."""
        generator = torch.Generator().manual_seed(self.random_state)
        n_each = max(1, _DESCRIPTORS // len(rows))
        maps = (self._maps.maps(x) for x in self._maps.inputs(source, rows))
        return torch.cat([sample_descriptors(m, n_each, generator) for m in maps]).numpy()

    def _pooled(self, source: Source, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = [self._pool(x) for x in self._maps.inputs(source, rows)]
        return torch.cat(parts).numpy()

    def _pool(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            pooled: Tensor = self.pooling(self._maps.maps(x))
        return pooled

    def _encode(self, x: Tensor) -> NDArray[np.float32]:
        return np.asarray((self._pool(x).numpy() - self.mean) @ self.components, np.float32)

    def _fit_components(self, pooled: NDArray[np.float32]) -> None:
        from sklearn.decomposition import PCA

        n = max(1, min(self.n_components, len(pooled) // 8, pooled.shape[1]))
        pca = PCA(n, svd_solver="randomized", random_state=self.random_state).fit(pooled)
        deviations = np.sqrt(np.maximum(pca.explained_variance_, np.finfo(np.float32).tiny))
        self.mean = np.asarray(pca.mean_, np.float32)
        self.components = np.ascontiguousarray((pca.components_ / deviations[:, None]).T, np.float32)

    def _describe(self) -> None:
        n_centres, n_components = len(self.pooling.centres), self.components.shape[1]
        net = "a net trained on these images" if self.backbone == "" else str(self.backbone)
        self.feature_owner = ["image"] * n_components
        self.description = {"backbone": net, "centres": n_centres, "components": n_components}
        self.notes = [f"NetVLAD of {net}: {n_centres} centres, {n_components} components"]
