"""GEOM: its scores against sums written out, its distributions against a fit of all softmaxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dross.detectors.geom import GEOM
from dross.errors import ParameterError
from dross.pretext.transformations import Geometric
from dross.scoring import fit_dirichlet


def images(n: int = 6) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(n, 1, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def detector() -> GEOM:
    return GEOM(depth=4, max_epochs=2, batch_size=64, random_state=0, standardize=False).fit(images())


def softmaxes(detector: GEOM) -> torch.Tensor:
    """Of image i under transformation m over all transformations, shape (n, 72, 72)."""
    with torch.no_grad():
        views = Geometric(8).all(torch.from_numpy(images()))
        return torch.stack([detector.module_.net(each).double().softmax(dim=1) for each in views])


def test_published_score(detector: GEOM) -> None:
    p = softmaxes(detector)
    alpha = fit_dirichlet(p.mean(dim=0), p.log().mean(dim=0))
    torch.testing.assert_close(detector.module_.alpha, alpha, rtol=1e-3, atol=1e-3)
    expected = [
        -sum(float((alpha[m, j] - 1) * p[i, m, j].log()) for m in range(72) for j in range(72))
        for i in range(len(p))
    ]
    np.testing.assert_allclose(detector.anomaly_scores_, expected, rtol=1e-3)


def test_simple_score_after_a_fit(detector: GEOM) -> None:
    p = softmaxes(detector)
    expected = [1 - sum(float(p[i, m, m]) for m in range(72)) / 72 for i in range(len(p))]
    scores = detector.set_params(scoring="softmax").anomaly_score(images())
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    with pytest.raises(ParameterError, match="scoring"):
        detector.set_params(scoring="max").anomaly_score(images())
    detector.set_params(scoring="dirichlet")


def test_distributions_do_not_hang_on_batches(detector: GEOM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GEOM, "_rows_at_once", lambda self: 4)
    parameters = detector.get_params()
    again = GEOM(**parameters).fit(images())
    torch.testing.assert_close(again.module_.alpha, detector.module_.alpha, rtol=1e-3, atol=1e-3)


def test_defaults_are_published() -> None:
    detector = GEOM()
    assert (detector.depth, detector.batch_size) == (10, 128)
