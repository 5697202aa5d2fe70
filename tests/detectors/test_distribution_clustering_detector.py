"""Distribution clustering as a detector: its two scores by hand, what it sees, what it keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dross.detectors.distribution_clustering import DistributionClusteringDetector
from dross.errors import ParameterError


def rows(n: int = 120, d: int = 300, seed: int = 0) -> NDArray[np.float64]:
    """Half of the rows with little variance, half with much; the last three like nothing else."""
    rng = np.random.default_rng(seed)
    deviation = np.where(np.arange(n) % 2, 0.2, 0.6)[:, None]
    X = rng.choice([1.0, -1.0], d) * 1.0 + deviation * rng.normal(size=(n, d))
    X[-3:] = rng.normal(size=(3, d))
    return X


def fitted(**parameters: Any) -> DistributionClusteringDetector:
    return DistributionClusteringDetector(random_state=0, **parameters).fit(rows())


def test_graded_score_is_the_smallest_sum_of_distance_and_misfit() -> None:
    detector = fitted()
    clustering = detector.clustering_
    assert clustering.n_clusters_ >= 2
    misfit = clustering.misfit(rows())
    expected = [min(d + m for d, m in zip(clustering.cluster_distances_, one, strict=True)) for one in misfit]
    np.testing.assert_allclose(detector.anomaly_scores_, expected)
    assert set(np.argsort(detector.anomaly_scores_)[-3:]) == {117, 118, 119}
    assert len(np.unique(detector.anomaly_scores_)) == 120


def test_published_score_is_the_distance_of_the_rows_cluster() -> None:
    detector = fitted(scoring="published")
    clustering = detector.clustering_
    distances = np.append(clustering.cluster_distances_, 4.0)  # the label -1 takes the last one
    np.testing.assert_array_equal(detector.anomaly_scores_, distances[clustering.labels_])
    assert (detector.anomaly_scores_[-3:] == 4).all()
    assert (detector.anomaly_scores_[1:117:2] < detector.anomaly_scores_[:117:2].min()).all()


def test_scoring_can_change_after_the_fit() -> None:
    detector = fitted().set_params(scoring="published")
    np.testing.assert_array_equal(detector.anomaly_score(rows()), fitted(scoring="published").anomaly_scores_)


def test_without_clusters_all_rows_score_alike() -> None:
    for scoring in ("graded", "published"):
        detector = DistributionClusteringDetector(scoring=scoring).fit(
            np.random.default_rng(0).normal(size=(30, 8))
        )
        assert detector.clustering_.n_clusters_ == 0
        np.testing.assert_array_equal(detector.anomaly_scores_, np.full(30, 4.0))


def test_parameters_reach_the_clustering() -> None:
    parameters = {"threshold": 0.2, "max_distance": 0.3, "min_size": 9}
    clustering = fitted(**parameters).clustering_
    assert parameters.items() <= clustering.get_params().items()
    assert fitted(coverage=0.5).clustering_.threshold_ != 0.07


def test_the_fit_sees_a_bounded_number_of_rows() -> None:
    detector = fitted(max_samples=50)
    assert detector.kept_rows_.shape == (50,)
    assert detector.clustering_.labels_.shape == (50,)
    assert detector.anomaly_scores_.shape == (120,)


@pytest.mark.parametrize(
    ("parameters", "what"),
    [({"scoring": "best"}, "scoring"), ({"threshold": -1}, "threshold"), ({"max_samples": 1}, "max_samples")],
)
def test_wrong_parameters(parameters: dict[str, Any], what: str) -> None:
    with pytest.raises(ParameterError, match=what):
        fitted(**parameters)
