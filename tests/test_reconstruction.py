"""Errors in units of what is typical of each value, against values computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dross.bench.watch import Trace
from dross.detectors.ae_lfr import AELFR
from dross.detectors.autoencoder import AutoEncoder
from dross.detectors.drae import DRAE
from dross.detectors.memae import MemAE
from dross.errors import ParameterError
from dross.nets.tally import Tally, scatter
from dross.reconstruction import ReconstructionDetector


class Rebuilt(nn.Module):
    """Rebuilds zeros, whatever comes: the squared error of a value is its square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.unexplained = Tally()

    def squared_error(self, x: Tensor) -> Tensor:
        return (x - self.weight).square()

    def loss(self, x: Tensor) -> Tensor:
        errors = self.squared_error(x)
        self.unexplained.add(errors.sum(), scatter(x))
        return 0 * errors.mean()


class Zeros(ReconstructionDetector):
    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        return Rebuilt()


ROWS = np.array([[1.0, 10.0, 0.0], [2.0, 30.0, 0.0], [4.0, 20.0, 0.0]])


def fitted(**parameters: object) -> Zeros:
    return Zeros(standardize=False, max_epochs=1, random_state=0, **parameters).fit(ROWS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "detector",
    [AutoEncoder(), DRAE(), MemAE(), *(AELFR(loss=a, scoring=b) for a in "AB" for b in "AB")],  # type: ignore[arg-type]
    ids=str,
)
def test_what_is_rebuilt_is_what_is_scored(detector: ReconstructionDetector) -> None:
    X = np.random.default_rng(0).normal(size=(40, 6))
    detector.set_params(standardize=False, error_scale="equal", max_epochs=3, random_state=0).fit(X)
    errors = np.square(detector.reconstruct(X) - X).mean(axis=1)
    np.testing.assert_allclose(errors, detector.anomaly_scores_, rtol=1e-4)


class TestAnEarlyEnd:
    """A net has learnt enough once little of the rows' variance is left."""

    X = 50 + 9 * np.random.default_rng(0).normal(size=(200, 1)) * [1.0, -2.0, 3.0, 0.5, 1.0]

    def fit(
        self,
        kind: type[ReconstructionDetector] = AutoEncoder,
        rows: NDArray[np.float64] = X,
        **parameters: Any,
    ) -> ReconstructionDetector:
        return kind(
            batch_size=16, lr=2e-3, max_epochs=60, random_state=0, contamination=0.1, **parameters
        ).fit(rows)

    @pytest.mark.parametrize("kind", [AELFR, AutoEncoder, DRAE, MemAE])
    @pytest.mark.parametrize("stop_at", [0.5, 0.25])
    def test_at_the_first_epoch_below_the_share(
        self, kind: type[ReconstructionDetector], stop_at: float
    ) -> None:
        detector = self.fit(kind, stop_at=stop_at)
        *before, last = (entry["unexplained"] for entry in detector.history_)
        assert last < stop_at <= min(before)
        assert detector.converged_

    def test_not_where_none_is_asked_for(self) -> None:
        assert len(self.fit(stop_at=None).history_) == 60

    @pytest.mark.parametrize(
        "detector",
        [AutoEncoder(), DRAE(), MemAE(), AELFR(loss="A"), AELFR(loss="B", scoring="B")],
        ids=str,
    )
    def test_the_error_is_that_of_the_rows_learnt_from(self, detector: ReconstructionDetector) -> None:
        module: Any = detector._build_module((5,))
        x = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
        way = {"variant": module.trained} if isinstance(detector, AELFR) else {}
        with torch.no_grad():
            module.loss(x), module.loss(x[:3] + 3)
            errors = sum(module.squared_error(rows, **way).sum() for rows in (x, x[:3] + 3))
        about_the_mean = 8 * x.numpy().var(axis=0, ddof=1).sum() + 3 * x[:3].numpy().var(axis=0, ddof=1).sum()
        assert module.unexplained.take() == pytest.approx(float(errors) / about_the_mean, rel=1e-5)

    def test_what_all_images_share_is_nothing_learnt(self) -> None:
        """A bright square, the same in all, is most of a channel's variance."""
        X = np.random.default_rng(0).normal(size=(64, 1, 8, 8)).astype(np.float32)
        X[:, :, :4, :4] += 9
        detector = AutoEncoder(max_epochs=30, batch_size=16, random_state=0, contamination=0.1).fit(X)
        first = detector.history_[0]
        assert first["loss"] < 1
        assert first["unexplained"] > 1

    def test_constant_columns_leave_nothing_to_explain(self) -> None:
        constant = np.hstack([self.X, np.ones((200, 6))])
        detector = AutoEncoder(hidden_sizes=(8,), latent_dim=1, batch_size=16, lr=2e-3, random_state=0)
        shares = [entry["unexplained"] for entry in detector.fit(constant).history_]
        assert shares[0] > 0.9
        assert 0 < shares[-1] < 0.5 < shares[-2]

    def test_rows_that_are_all_alike_do_not_end_it(self) -> None:
        detector = AutoEncoder(max_epochs=2, random_state=0, contamination=0.1).fit(np.ones((20, 3)))
        assert [set(entry) for entry in detector.history_] == [{"epoch", "loss"}] * 2

    def test_not_before_drae_has_split(self) -> None:
        X = np.repeat(self.X, 40, axis=0)
        assert self.fit(AutoEncoder, stop_at=0.9, rows=X).history_[-1]["epoch"] == 1
        assert self.fit(DRAE, stop_at=0.9, rows=X).history_[-1]["epoch"] > 1

    def test_is_looked_at_by_who_looks_on(self) -> None:
        detector = AutoEncoder(batch_size=16, lr=2e-3, max_epochs=500, random_state=0, contamination=0.1)
        trace = Trace(detector, self.X, np.arange(200) < 20)
        detector.set_monitor(trace).fit(self.X)
        assert detector.history_[-1]["epoch"] < 60
        assert trace.history[-1]["epoch"] == detector.history_[-1]["epoch"]

    @pytest.mark.parametrize("stop_at", [0.0, 1.0, "half"])
    def test_shares_that_there_are_not(self, stop_at: Any) -> None:
        with pytest.raises(ParameterError, match="stop_at"):
            self.fit(stop_at=stop_at)


def test_each_value_in_units_of_its_typical_error() -> None:
    """The squares' means are 7, 466.7 and 0; by them, the first two rows have the least errors.

    Over these the means are 2.5, 500 and 0, and a hundredth of their mean is added to each.
    """
    floor = (2.5 + 500 + 0) / 3 / 100
    typical = np.array([2.5, 500, 0]) + floor
    detector = fitted()
    np.testing.assert_allclose(detector.typical_error_[""], typical, rtol=1e-6)
    np.testing.assert_allclose(
        detector.anomaly_scores_, np.log1p(ROWS**2 / typical / 20).mean(axis=1), rtol=1e-5
    )
    plain = detector.set_params(error_scale="equal").anomaly_score(ROWS)
    np.testing.assert_allclose(plain, (ROWS**2).mean(axis=1), rtol=1e-6)


def test_as_published() -> None:
    np.testing.assert_allclose(fitted(error_scale="equal").anomaly_scores_, (ROWS**2).mean(axis=1), rtol=1e-6)


def test_no_error_at_all() -> None:
    detector = Zeros(standardize=False, max_epochs=1, random_state=0).fit(np.zeros((4, 2)))
    assert detector.anomaly_scores_.tolist() == [0.0] * 4
    assert detector.typical_error_[""].tolist() == [1.0, 1.0]


def test_an_error_where_none_is_usual() -> None:
    """A pixel beside the shape is as dark as usual in all rows but one, the shape varies in all of them."""
    rng = np.random.default_rng(0)
    rows = np.zeros((60, 10))
    rows[:, :5] = rng.normal(size=(60, 5)) * 3
    rows[:, 5:] = rng.normal(size=(60, 5)) * 0.05
    rows[7, 7] = 1.5
    scores = Zeros(standardize=False, max_epochs=1, random_state=0).fit(rows).anomaly_scores_
    assert scores.argmax() == 7
    plain = Zeros(standardize=False, max_epochs=1, random_state=0, error_scale="equal").fit(rows)
    assert plain.anomaly_scores_.argmax() != 7


def shapes(n: int) -> NDArray[np.float64]:
    images = np.zeros((n, 1, 12, 12))
    images[:, :, 3:9, 3:9] = np.random.default_rng(0).uniform(0.3, 1, (n, 1, 6, 6))
    images[5, 0, 10:, 10:] = 0.6
    return images


@pytest.mark.parametrize("detector", [AutoEncoder, AELFR, DRAE, MemAE])
def test_heat_maps_and_scores_agree_and_travel(detector: type[ReconstructionDetector]) -> None:
    images = shapes(40)
    fit = detector(max_epochs=2, batch_size=16, precision="32", random_state=0).fit(images)
    assert {error.shape for error in fit.typical_error_.values()} == {(1, 12, 12)}
    errors = fit._error_map(images)
    np.testing.assert_allclose(errors.mean(axis=(1, 2)), fit.anomaly_scores_, rtol=1e-4)
    restored = detector(precision="32").set_state(*fit.get_state())
    np.testing.assert_array_equal(restored.anomaly_score(images), fit.anomaly_scores_)
    assert fit.explain(images[5:6])[0].argmax() >= 12 * 9  # the corner that is dark in all others


def test_both_ways_of_rebuilding_have_typical_errors() -> None:
    """Scores after `set_params` are those of a fit with that parameter."""
    rows = np.random.default_rng(0).normal(size=(60, 8))
    first, second = (AELFR(scoring=way, max_epochs=2, random_state=0).fit(rows) for way in ("A", "B"))
    np.testing.assert_array_equal(first.set_params(scoring="B").anomaly_score(rows), second.anomaly_scores_)


def test_many_rows_from_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than typical errors are taken of, read in batches: as from an array."""
    monkeypatch.setattr("dross.reconstruction._ROWS", 50)
    rows = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)

    class Source:
        shape, dtype = rows.shape, rows.dtype

        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, chosen: Any) -> NDArray[np.float32]:
            return rows[chosen]

    of_array, of_source = (
        AutoEncoder(max_epochs=2, batch_size=16, random_state=0).fit(X) for X in (rows, Source())
    )
    np.testing.assert_array_equal(of_array.typical_error_[""], of_source.typical_error_[""])
    of_all = AutoEncoder(max_epochs=2, batch_size=16, random_state=0)
    monkeypatch.setattr("dross.reconstruction._ROWS", 10_000)
    assert not np.array_equal(of_all.fit(rows).typical_error_[""], of_array.typical_error_[""])


def test_typical_errors_of_another_shape_are_refused() -> None:
    values, arrays = fitted().get_state()
    arrays["typical_error."] = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="shape"):
        Zeros().set_state(values, arrays)


def test_who_looks_on_sees_plain_errors() -> None:
    seen: list[NDArray[np.float64]] = []

    class Watched(Zeros):
        def _on_epoch_end(self) -> dict[str, float]:
            seen.append(self._score_all(ROWS))
            return {}

    Watched(standardize=False, max_epochs=1, random_state=0).fit(ROWS)
    np.testing.assert_allclose(seen[0], (ROWS**2).mean(axis=1), rtol=1e-6)
