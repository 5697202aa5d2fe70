from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from dross.errors import ParameterError
from dross.metrics import aupr, auroc, auroc_scorer, evaluate
from dross.sources.base import Labels


def labels(*is_anomaly: int) -> Labels:
    return Labels(np.array(is_anomaly, bool), column="kind", anomaly_value="bad")


def test_anomalies_are_positive_and_high():
    y, scores = [0, 0, 0, 1], [0.1, 0.2, 0.3, 0.9]
    assert auroc(y, scores) == 1.0
    assert aupr(y, scores) == 1.0
    assert auroc(y, [-s for s in scores]) == 0.0


def test_agree_with_sklearn_with_ties():
    rng = np.random.default_rng(0)
    y, scores = rng.random(500) < 0.1, rng.integers(0, 20, 500)
    assert auroc(y, scores) == roc_auc_score(y, scores)
    assert aupr(y, scores) == average_precision_score(y, scores)


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_has_no_value(y):
    scores = np.arange(len(y), dtype=float)
    assert auroc(y, scores) is None
    assert aupr(y, scores) is None


@pytest.mark.parametrize(
    ("y", "scores", "message"),
    [
        ([0, 1], [0.1], "agree"),
        ([0, 1], [[0.1], [0.2]], "agree"),
        ([0, 1], [0.1, np.nan], "finite"),
        ([0, 1], [0.1, np.inf], "finite"),
        ([0, 2], [0.1, 0.2], "0 and 1"),
        ([-1, 1], [0.1, 0.2], "0 and 1"),
        ([[0, 1]], [[0.1, 0.2]], "one-dimensional"),
    ],
)
def test_bad_input_is_named(y, scores, message):
    with pytest.raises(ParameterError, match=message):
        auroc(y, scores)
    with pytest.raises(ParameterError, match=message):
        aupr(y, scores)


class FirstColumn:
    def anomaly_score(self, X):
        return np.asarray(X)[:, 0]


def test_scorer_uses_anomaly_score():
    X = np.array([[0.0], [1.0], [2.0]])
    assert auroc_scorer(FirstColumn(), X, [0, 0, 1]) == 1.0
    assert auroc_scorer(FirstColumn(), X, [1, 0, 0]) == 0.0
    with pytest.raises(ParameterError, match="one class"):
        auroc_scorer(FirstColumn(), X, [0, 0, 0])


def test_evaluate_counts():
    found = evaluate(labels(1, 1, 0, 0, 0), [5, 1, 4, 0, 0], [True, False, True, False, False])
    assert found["confusion"] == {"tp": 1, "fp": 1, "fn": 1, "tn": 2}
    assert found["n_anomalies"] == 2
    assert found["auroc"] == pytest.approx(5 / 6)
    assert json.loads(json.dumps(found)) == found


def test_evaluate_without_anomalies():
    found = evaluate(labels(0, 0), [1.0, 2.0], [0, 1])
    assert found["auroc"] is None
    assert found["aupr"] is None
    assert found["confusion"] == {"tp": 0, "fp": 1, "fn": 0, "tn": 1}
    json.dumps(found)


@pytest.mark.parametrize(("flagged", "message"), [([True], "equally many"), ([0.5, 1], "0 and 1")])
def test_evaluate_refuses_bad_flags(flagged, message):
    with pytest.raises(ParameterError, match=message):
        evaluate(labels(1, 0), [2.0, 1.0], flagged)
