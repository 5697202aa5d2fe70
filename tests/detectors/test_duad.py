"""What is DUAD's own: angles, selections, when it ends."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from dross.clustering.named import CLUSTERINGS
from dross.detectors.duad import DUAD
from dross.errors import ParameterError
from dross.metrics import auroc
from dross.nets.duad import DUADModule, angle


def table(n: int = 300, n_odd: int = 30) -> NDArray[np.float32]:
    """Rows near a line, the last ones anywhere."""
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 2, (n, 1)) * np.array([1.0, 2.0, 3.0, 1.0, 0.5]) + 0.02 * rng.normal(size=(n, 5))
    X[-n_odd:] = rng.uniform(0, 6, (n_odd, 5))
    return X.astype(np.float32)


def fitted(X: NDArray[np.float32] | None = None, **parameters: Any) -> DUAD:
    usual = {"max_epochs": 12, "r": 3, "batch_size": 32, "random_state": 0, "contamination": 0.1}
    return DUAD(**usual | parameters).fit(table() if X is None else X)


class TestAngle:
    def test_by_hand(self) -> None:
        x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0], [1.0, 0.0]])
        rebuilt = torch.tensor([[1.0, 1.0], [3.0, 3.0], [0.0, -1.0], [0.0, 7.0]])
        expected = [math.pi / 4, 0, math.pi, math.pi / 2]
        np.testing.assert_allclose(angle(x, rebuilt).numpy(), expected, atol=1e-6)

    def test_small_angles_keep_their_digits(self) -> None:
        x, rebuilt = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1e-5]])
        np.testing.assert_allclose(angle(x, rebuilt).numpy(), [1e-5], rtol=1e-4)

    def test_zero_rows(self) -> None:
        zero, one = torch.zeros(1, 3), torch.ones(1, 3)
        assert angle(zero, zero).item() == 0
        assert angle(zero, one).item() == pytest.approx(math.atan(math.sqrt(3)))
        assert angle(one, zero).item() == pytest.approx(math.pi / 2)

    def test_gradients_are_finite(self) -> None:
        for x, rebuilt in ((torch.ones(1, 3), torch.zeros(1, 3)), (torch.zeros(1, 3), torch.zeros(1, 3))):
            angle(x, rebuilt.requires_grad_()).sum().backward()  # type: ignore[no-untyped-call]
            assert rebuilt.grad is not None
            assert rebuilt.grad.isfinite().all()

    def test_length_plays_no_part(self) -> None:
        x, rebuilt = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[1.0, 2.5, 3.0]])
        for factor in (1e-30, 1e30):
            torch.testing.assert_close(angle(factor * x, rebuilt), angle(x, rebuilt))
            torch.testing.assert_close(angle(x, factor * rebuilt), angle(x, rebuilt))


class TestModule:
    def test_loss_score_and_embedding_by_hand(self) -> None:
        encoder, decoder = nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False)
        encoder.weight.data.copy_(torch.tensor([[1.0, 0.0]]))
        decoder.weight.data.copy_(torch.tensor([[1.0], [0.0]]))
        x = torch.tensor([[3.0, 3.0]])  # the code is 3, the reconstruction (3, 0), at 45 degrees
        for kind, loss in (("squared", 9 / 2), ("angle", math.pi / 4)):
            module = DUADModule(encoder, decoder, kind)
            assert module.loss(x).item() == pytest.approx(loss)
            assert module.score(x).item() == pytest.approx(math.pi / 4)
        z = np.array([3.0, math.pi / 4])
        np.testing.assert_allclose(module.embed(x).detach().numpy()[0], z / np.linalg.norm(z), rtol=1e-6)


class TestSelection:
    def test_the_share_p_at_the_largest_angles_is_left_out(self) -> None:
        for p in (0.3, 0.1):
            assert fitted(p=p).history_[3]["selected"] == round(300 * (1 - p))

    def test_it_sheds_odd_rows(self) -> None:
        detector = fitted(max_epochs=60, r=5)
        assert (detector.training_rows_ < 270).mean() > 0.98
        assert detector.anomaly_scores_[270:].mean() > 3 * detector.anomaly_scores_[:270].mean()

    def test_rows_of_zeros_are_learnt_like_others(self) -> None:
        """They are 40 % of the rows, more than are left out."""
        rng = np.random.default_rng(0)
        X = np.zeros((500, 4), np.float32)
        X[200:450] = rng.uniform(1, 2, (250, 1)) * [1, 2, 3, 4]
        X[450:] = rng.uniform(0, 8, (50, 4))
        detector = DUAD(random_state=0, contamination=0.1).fit(X)
        assert auroc(np.arange(500) >= 450, detector.anomaly_scores_) > 0.98
        assert detector.history_[-1].get("selected", 0) < 500

    def test_mixtures_of_an_unchanged_net_select_the_same(self) -> None:
        for selection in ("clusters", "rows"):
            detector = fitted(init="gmm", selection=selection, n_clusters=5, r=2, lr=1e-12)
            assert detector.converged_
            assert detector.history_[-1]["changed"] == 0

    def test_it_is_made_every_r_epochs(self) -> None:
        epochs = [entry["epoch"] for entry in fitted(r=4).history_ if "selected" in entry]
        assert epochs == [5, 9]
        epochs = [entry["epoch"] for entry in fitted(r=4, init="gmm").history_ if "selected" in entry]
        assert epochs == [1, 5, 9]

    def test_small_tables_are_learnt_with_the_defaults(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 12))
        X[450:] = rng.permuted(X[450:], axis=0)
        detector = DUAD(random_state=0, contamination=0.1).fit(X)
        assert auroc(np.arange(500) >= 450, detector.anomaly_scores_) > 0.9
        assert (detector.training_rows_ < 450).mean() > 0.97

    def test_an_equal_selection_ends_the_training(self) -> None:
        detector = fitted(p=0.0)  # all rows, as before
        assert detector.converged_
        assert [entry.get("changed") for entry in detector.history_] == [None, None, 0]
        assert detector.training_end_.endswith("3 of 12 epochs: the same rows were selected twice.")
        assert not fitted().converged_
        assert fitted().training_end_.endswith("12 of 12 epochs.")

    def test_distribution_clustering_is_judged_by_directions(self) -> None:
        """Long rows of one direction are kept, short rows of all directions are not."""
        rng = np.random.default_rng(0)
        alike = rng.uniform(1, 20, (100, 1)) * (1 + 0.05 * rng.normal(size=(100, 20)))
        others = 0.5 * rng.uniform(size=(50, 20)) * (rng.uniform(size=(50, 20)) < 0.3)
        X = np.concatenate([alike, others]).astype(np.float32)
        detector = fitted(X, init="distribution_clustering", p0=0.5, max_epochs=1, standardize=False)
        assert (detector.training_rows_ < 100).all()

    def test_angles_can_be_learnt_from(self) -> None:
        detector = fitted(loss="angle", max_epochs=40)
        assert detector.history_[-1]["loss"] < 0.5 * detector.history_[0]["loss"]

    @pytest.mark.parametrize("init", CLUSTERINGS)
    @pytest.mark.parametrize("selection", ["clusters", "rows"])
    def test_the_literal_readings_run(self, init: str, selection: str) -> None:
        start = fitted(init=init, selection=selection, n_clusters=5, max_epochs=1)
        assert start.history_[0]["selected"] == len(start.training_rows_) < 300
        later = fitted(init=init, selection=selection, n_clusters=5, max_epochs=4)
        assert later.history_[3]["changed"] > 0
        assert np.isfinite(later.anomaly_scores_).all()

    def test_a_selection_of_nothing_changes_nothing(self) -> None:
        detector = fitted(p=0.999)
        assert detector.training_rows_ is None
        assert not detector.converged_

    def test_clusters_leave_out_those_of_high_variance(self) -> None:
        detector = fitted(init="kmeans", selection="rows", n_clusters=5, max_epochs=1)
        assert (detector.training_rows_ < 270).mean() > 0.9

    @pytest.mark.parametrize("init", ["all", *CLUSTERINGS])
    @pytest.mark.parametrize("row", [np.zeros(5), np.ones(5), [0, 0, 0, 0, 9]])
    def test_rows_that_are_all_alike(self, init: str, row: Any) -> None:
        X = np.tile(np.asarray(row, np.float32), (40, 1))
        detector = fitted(X, init=init, selection="clusters", max_epochs=6)
        assert np.isfinite(detector.anomaly_scores_).all()
        assert np.ptp(detector.anomaly_scores_) < 1e-6

    def test_images_are_selected_too(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.uniform(0.5, 1, (60, 1, 1, 1)) * np.linspace(0, 1, 16)[:, None] * np.ones((60, 1, 16, 16))
        X[:5] = rng.uniform(0, 1, (5, 1, 16, 16))
        for init, architecture in (("all", "dense"), ("kmeans", "dense"), ("all", "conv")):
            detector = fitted(
                X.astype(np.float32), init=init, architecture=architecture, precision="32", max_epochs=9
            )
            assert np.argsort(-detector.anomaly_scores_)[:5].max() < 5
            assert (detector.training_rows_ >= 5).all()


def test_wrong_parameters_are_refused() -> None:
    for wrong in ({"p": 1.0}, {"p0": -0.1}, {"r": 0}, {"init": "dbscan"}, {"selection": "x"}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            fitted(**wrong)
