"""Training rows of the One-Class SVM are scored as new ones are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold
from sklearn.svm import OneClassSVM

from dross.detectors.ocsvm import OCSVM


def test_each_fold_by_the_boundary_of_the_others() -> None:
    X = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32)
    detector = OCSVM(nu=0.2, random_state=3).fit(X)
    expected = np.empty(23)
    for others, own in KFold(5, shuffle=True, random_state=detector.seed_).split(X):
        boundary = OneClassSVM(nu=0.2).fit(X[others])
        expected[own] = -boundary.decision_function(X[own]) * 23 / len(others)
    np.testing.assert_allclose(detector.anomaly_scores_, expected)


def test_as_usual() -> None:
    X = np.random.default_rng(0).normal(size=(23, 4))
    detector = OCSVM(held_out=False, random_state=0).fit(X)
    np.testing.assert_array_equal(detector.anomaly_scores_, detector.anomaly_score(X))


def test_a_row_that_was_not_kept_is_a_new_one() -> None:
    X = np.random.default_rng(0).normal(size=(60, 4))
    detector = OCSVM(max_samples=20, random_state=0).fit(X)
    new = np.setdiff1d(np.arange(60), detector.kept_rows_)
    scores = detector.anomaly_score(X)
    np.testing.assert_array_equal(detector.anomaly_scores_[new], scores[new])
    assert (detector.anomaly_scores_[detector.kept_rows_] != scores[detector.kept_rows_]).all()


@pytest.mark.parametrize("n", [2, 3])
def test_fewer_rows_than_folds(n: int) -> None:
    scores = OCSVM(random_state=0).fit(np.arange(2.0 * n).reshape(n, 2)).anomaly_scores_
    assert np.isfinite(scores).all()


def test_new_rows_are_flagged_as_often_as_asked() -> None:
    """In many dimensions a boundary that judged the rows it was fitted on would flag most new ones."""
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 60)), rng.normal(size=(2000, 60))
    flagged = {
        h: (OCSVM(held_out=h, contamination=0.1).fit(X).predict(new) == -1).mean() for h in (True, False)
    }
    assert 0.05 < flagged[True] < 0.15
    assert flagged[False] > 0.25


def test_fit_predict_goes_by_the_scores_held_out() -> None:
    """The boundary that knows the rows would flag none of them."""
    X = np.random.default_rng(0).normal(size=(300, 60))
    assert (OCSVM(contamination=0.1, random_state=0).fit_predict(X) == -1).sum() == 30
