"""RotNet: what was turned by how much? (Gidaris, Singh, Komodakis 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from dross.parameters import check_choice, check_number
from dross.pretext.classifier import TransformationDetector
from dross.pretext.transformations import Rotations
from dross.scoring import ODIN_EPS, ODIN_TEMPERATURE, max_softmax, odin

__all__ = ["RotNet"]


@dataclass(kw_only=True, eq=False, repr=False)
class RotNet(TransformationDetector):
    """An image of which a classifier does not know the right way up is unusual.

    A wide residual net learns by which of four quarter turns an image was turned; how sure it is of its
    answers, whatever they are, is the score. Kinds of images that look the same from all sides, or of which
    one is another one turned, defeat it. Contamination: anomalies train the classifier too; the frequent
    kinds are learnt first, so that a short training helps.

    The task is RotNet's; to score by it is the sub-clusters paper's, which names neither net nor schedule.
    Taken here: GEOM's, and the mean over all four turns of the image.

    Parameters
    ----------
    scoring : "max" or "odin", default "max"
        1 - the largest softmax, or that at a temperature after a small step of the pixels towards the
        classifier's answer. Scores follow ``set_params(scoring=...)`` after a fit at once; the threshold and
        ``anomaly_scores_`` stay those of the fit.
    temperature : float, default 1000
        ODIN's, as published.
    eps : float, default 0.0014
        ODIN's step, as published for pixels between 0 and 1, in the unit of the images: multiply it by 255
        for bytes. It cannot be tuned without labels.
    depth, width : int, default 10 and 4
        Of the net: GEOM's WRN-10-4.
    max_epochs : int or None, default 200
        4 passes for each of GEOM's ``ceil(200 / 4)`` epochs. None: see `DeepDetector`.
    stop_at
        See `TransformationDetector`.
    batch_size : int, default 128
        Views, GEOM's.
    lr, weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    References
    ----------
    Gidaris, Singh, Komodakis: Unsupervised representation learning by predicting image rotations. ICLR 2018,
    arXiv 1803.07728. Lee, Lee: Sub-clusters of normal data for anomaly detection.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).uniform(0.5, 1, (30, 1, 1, 1)) * np.linspace(0, 1, 64).reshape(8, 8)
    >>> RotNet(depth=4, batch_size=64, max_epochs=1, random_state=0).fit(X).anomaly_scores_.shape
    (30,)
    """

    scoring: Literal["max", "odin"] = "max"
    temperature: float = ODIN_TEMPERATURE
    eps: float = ODIN_EPS
    max_epochs: int | None = 200

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice(self, "scoring", "max", "odin")
        check_number(self, "temperature", float, 1e-3)
        check_number(self, "eps", float, 0)

    def _transformations(self, side: int) -> Rotations:
        return Rotations(side)

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        eps = self.eps * self._inverse_scale  # in deviations, as the net sees pixels

        def score(views: Tensor) -> Tensor:
            if self.scoring == "max":
                return max_softmax(module.net(views))
            return odin(module.net, views, temperature=self.temperature, eps=eps)

        scores: Tensor = module.map_views(x, score)
        return scores.mean(dim=1)
