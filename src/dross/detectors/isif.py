"""ISIF: far from all known images in an embedding that knows each by itself (Ye et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from dross.deep import DeepDetector
from dross.nets.conv import conv_encoder
from dross.nets.isif import ISIFModule
from dross.nets.resnet import ResNet18
from dross.parameters import check_choice, check_number
from dross.pretext.random_views import RandomViews
from dross.rows import Rows, sample_rows

__all__ = ["ISIF"]

_CHANNELS = (32, 64, 128)
_MOMENTUM = 0.9
_DECAYS = (0.6, 0.8)  # of the epochs; from there on rates are a tenth: epochs 120 and 160 of 200


@dataclass(kw_only=True, eq=False, repr=False)
class ISIF(DeepDetector):
    """An image that lies far from all others in an embedding learnt without labels is unusual.

    A net learns to tell every image from every other, but not from its own random views: images that look
    alike whatever their place, size and colours come to lie together. The score is the mean distance to the
    nearest training images. Contamination: an anomaly among the training images is known too; what gives it
    away is that few are like it, so that it holds as long as its kind has no more images than neighbours are
    asked.

    Deviations: changes of brightness, contrast, saturation and hue come in this order, theirs is drawn, and
    images of one channel have no hue. The number of neighbours is fixed; the sub-clusters paper chose 3 or
    300 a data set, by labels.

    Parameters
    ----------
    n_neighbors : int, default 5
        Neighbours whose distances are averaged; training images leave themselves out.
    scoring : "cosine" or "euclidean", default "cosine"
        The distance. Scores follow ``set_params(scoring=...)`` after a fit at once; the threshold and
        ``anomaly_scores_`` stay those of the fit.
    net : "auto", "small" or "resnet18", default "auto"
        "resnet18" is the published net, with its first convolution for small images up to 64 pixels; "small"
        has three strided convolutions. "auto" takes "small" for images of one channel.
    latent_dim : int, default 128
        Width of the embedding, as published.
    temperature : float, default 0.1
        As published.
    smallest_view : float from 0.01 to 1, default 0.2
        Least share of an image that a view shows, as published.
    flip : bool or None, default None
        Whether views may be mirrored, as published for colour photographs; None mirrors coloured images only,
        as in grey ones (digits, letters, scans) the sides often mean something.
    max_samples : int, default 20 000
        Training images that are remembered, and compared with.
    batch_size : int, default 128
        As published.
    lr, weight_decay : float, default 0.03 and 5e-4
        Of stochastic gradient descent with momentum 0.9, a tenth from 60 % of the epochs on and a hundredth
        from 80 %, as published.
    standardize : bool or "auto", default "auto"
        Whether channels are made to span [0, 1]; else they must lie there, where views are made.
    max_epochs, device, precision, verbose
        See `DeepDetector`; published are 200 epochs.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Ye, Zhang, Yuen, Chang: Unsupervised embedding learning via invariant and spreading instance feature. CVPR
    2019, arXiv 1904.03436. Lee, Lee: Sub-clusters of normal data for anomaly detection.

    Examples
    --------
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> detector = ISIF(batch_size=16, max_epochs=1, random_state=0).fit(X)
    >>> detector.embed(X).shape, detector.anomaly_scores_.shape
    ((30, 128), (30,))
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"image"})
    to_unit_range: ClassVar[bool] = True  # views are made there

    n_neighbors: int = 5
    scoring: Literal["cosine", "euclidean"] = "cosine"
    net: Literal["auto", "small", "resnet18"] = "auto"
    latent_dim: int = 128
    temperature: float = 0.1
    smallest_view: float = 0.2
    flip: bool | None = None
    max_samples: int = 20_000
    batch_size: int = 128
    lr: float = 0.03
    weight_decay: float = 5e-4

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number(self, "n_neighbors", int, 1)
        check_choice(self, "scoring", "cosine", "euclidean")
        check_choice(self, "net", "auto", "small", "resnet18")
        check_number(self, "latent_dim", int, 1)
        check_number(self, "temperature", float, 1e-3)
        check_number(self, "smallest_view", float, 0.01, 1)
        check_choice(self, "flip", True, False, None)
        check_number(self, "max_samples", int, 2)

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        is_small = self.net == "small" or (self.net == "auto" and input_shape[0] == 1)
        net = (
            conv_encoder(input_shape, _CHANNELS, self.latent_dim)
            if is_small
            else ResNet18(input_shape, self.latent_dim)
        )
        flip = input_shape[0] > 1 if self.flip is None else self.flip
        views = RandomViews(smallest=self.smallest_view, flip=0.5 if flip else 0.0)
        n_known = min(self.n_training_rows_, self.max_samples)
        return ISIFModule(net, views, self.temperature, n_known, self.latent_dim)

    def _configure_optimizers(self) -> list[Optimizer]:
        weights = self._in_one_piece(self.module_)
        return [SGD([weights], lr=self.lr, momentum=_MOMENTUM, weight_decay=self.weight_decay, fused=True)]

    def _lr_factor(self, epoch: int, n_epochs: int) -> float:
        return float(0.1 ** sum(epoch >= decay * n_epochs for decay in _DECAYS))

    def _train(self, X: Rows) -> None:
        super()._train(X)
        module: Any = self.module_.eval()
        self.known_rows_ = sample_rows(len(X), self.max_samples, self.seed_)
        known = self._map_rows(X, self.known_rows_, module.encode)
        module.known.copy_(torch.from_numpy(known))

    def _module_score(self, x: Tensor) -> Tensor:
        return self._distance(x, min(self.n_neighbors, len(self.module_.known)))  # type: ignore[arg-type]

    def _training_scores(self, X: Rows) -> NDArray[np.float64]:
        scores = super()._training_scores(X)
        k = min(self.n_neighbors, len(self.known_rows_) - 1)
        # The row itself is among its k + 1 nearest, at no distance.
        nearest = self._map_rows(X, self.known_rows_, lambda x: self._distance(x, k + 1))
        scores[self.known_rows_] = nearest * (k + 1) / k
        return scores

    def _distance(self, x: Tensor, k: int) -> Tensor:
        module: Any = self.module_
        distance: Tensor = module.score(x, k, self.scoring)
        return distance
