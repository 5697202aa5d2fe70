"""What scores are worth, given the answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

__all__ = ["judge"]


def judge(
    scores: NDArray[np.float64], is_anomaly: NDArray[np.bool_], flagged_share: float
) -> dict[str, float]:
    """Return AUROC, AUPR, and F1 with the given share flagged; empty where the rows are of one kind.

    Parameters
    ----------
    scores : float array of shape (n,)
        Higher = more anomalous.
    is_anomaly : bool array of shape (n,)
    flagged_share : float in (0, 1]
        The share of the total with the highest scores that F1 calls anomalous.

    Examples
    --------
    >>> judge(np.array([0.1, 0.9, 0.2]), np.array([False, True, False]), 1 / 3)
    {'auroc': 1.0, 'aupr': 1.0, 'f1': 1.0}
    """
    if is_anomaly.all() or not is_anomaly.any():
        return {}
    flagged = np.zeros(len(scores), bool)
    flagged[np.argsort(-scores, kind="stable")[: max(1, round(flagged_share * len(scores)))]] = True
    values = {
        "auroc": roc_auc_score(is_anomaly, scores),
        "aupr": average_precision_score(is_anomaly, scores),
        "f1": f1_score(is_anomaly, flagged, zero_division=0.0),
    }
    return {name: round(float(value), 5) for name, value in values.items()}
