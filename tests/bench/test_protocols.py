"""The draws, by counting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dross.bench import protocols
from dross.bench.protocols import Draw
from dross.errors import ParameterError

NORMAL, ANOMALIES = np.arange(0, 1000), np.arange(1000, 4000)


def n_anomalies(draw: Draw) -> int:
    return int((draw.train >= 1000).sum())


class TestTransductive:
    @given(st.floats(0.0, 2.0), st.integers(1, 1000))
    def test_ratio_counts_anomalies_per_normal_row(self, ratio: float, n_normal: int) -> None:
        draw = protocols.transductive_by_ratio(NORMAL, ANOMALIES, ratio=ratio, seed=0, n_normal=n_normal)
        assert n_anomalies(draw) == round(ratio * n_normal)
        assert len(draw.train) - n_anomalies(draw) == n_normal

    @pytest.mark.parametrize("share", [0.05, 0.1, 0.25, 0.474])
    def test_share_counts_anomalies_of_the_total(self, share: float) -> None:
        draw = protocols.transductive_by_share(NORMAL, ANOMALIES, share=share, seed=0)
        assert n_anomalies(draw) / len(draw.train) == pytest.approx(share, abs=1e-3)

    def test_share_and_ratio_convert(self) -> None:
        assert protocols.share_of_ratio(0.9) == pytest.approx(0.9 / 1.9)
        assert protocols.ratio_of_share(protocols.share_of_ratio(0.7)) == pytest.approx(0.7)

    def test_counts_come_evenly_from_the_classes(self) -> None:
        classes = np.repeat(np.arange(9), [50, 400, 400, 400, 400, 400, 400, 400, 150])
        draw = protocols.transductive_by_counts(
            NORMAL, ANOMALIES, n_normal=800, n_anomalies=265, seed=3, classes=classes
        )
        drawn = np.bincount(classes[draw.train[draw.train >= 1000] - 1000], minlength=9)
        assert drawn.sum() == 265
        assert set(drawn) == {29, 30}

    def test_the_training_rows_are_the_scored_ones(self) -> None:
        draw = protocols.transductive_by_ratio(NORMAL, ANOMALIES, ratio=0.1, seed=0)
        assert draw.is_transductive
        assert draw.thinned(30).is_transductive
        assert len(draw.thinned(30).train) == 30

    def test_too_few_rows_are_said(self) -> None:
        with pytest.raises(ParameterError, match=r"needs 3 100 anomalies, but the data has 3 000"):
            protocols.transductive_by_ratio(NORMAL, ANOMALIES, ratio=3.1, seed=0)


class TestInductive:
    is_test = protocols.random_test_rows(4000, 0.5, seed=7)

    @pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5])
    def test_share_is_of_the_training_total(self, share: float) -> None:
        draw = protocols.inductive(NORMAL, ANOMALIES, self.is_test, share=share, seed=1)
        assert n_anomalies(draw) / len(draw.train) == pytest.approx(share, abs=2e-3)

    def test_the_parts_do_not_meet(self) -> None:
        draw = protocols.inductive(
            NORMAL, ANOMALIES, self.is_test, share=0.1, seed=1, n_validation=300, n_train=200, n_test=100
        )
        assert draw.validation is not None
        parts = (draw.train, draw.scored, draw.validation)
        assert len(set(np.concatenate(parts))) == sum(map(len, parts))
        assert not self.is_test[draw.train].any()
        assert self.is_test[draw.scored].all()
        assert len(draw.validation) == 300
        assert (draw.scored < 1000).sum() == (draw.scored >= 1000).sum() == 100
        assert (draw.train < 1000).sum() == 200

    def test_too_few_anomalies_are_all_taken_and_said(self) -> None:
        draw = protocols.inductive(NORMAL, ANOMALIES[:20], self.is_test, share=0.2, seed=1)
        assert n_anomalies(draw) < 20
        assert f"{n_anomalies(draw)} anomalies ({n_anomalies(draw) / len(draw.train):.1%}" in draw.sentence

    def test_a_validation_part_that_takes_all_is_said(self) -> None:
        with pytest.raises(ParameterError, match=r"no normal row to train on: 2 000 rows are for validation"):
            protocols.inductive(NORMAL, ANOMALIES, self.is_test, share=0.1, seed=1, n_validation=5000)

    def test_half_of_the_rows_are_test_rows(self) -> None:
        assert self.is_test.sum() == 2000


def by_ratio(seed: int) -> Draw:
    return protocols.transductive_by_ratio(NORMAL, ANOMALIES, ratio=0.5, seed=seed, n_normal=100)


def by_split(seed: int) -> Draw:
    return protocols.inductive(
        NORMAL, ANOMALIES, protocols.random_test_rows(4000, 0.5, seed), share=0.1, seed=seed, n_train=100
    )


@pytest.mark.parametrize("make", [by_ratio, by_split])
class TestSeeds:
    def test_equal_seeds_give_equal_draws(self, make: Callable[[int], Draw]) -> None:
        np.testing.assert_array_equal(make(5).train, make(5).train)
        np.testing.assert_array_equal(make(5).scored, make(5).scored)

    def test_other_seeds_give_other_draws(self, make: Callable[[int], Draw]) -> None:
        assert set(make(5).train) != set(make(6).train)

    def test_numpys_global_generator_is_left_alone(self, make: Callable[[int], Draw]) -> None:
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        make(5)
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_rows_are_shuffled_and_distinct(self, make: Callable[[int], Draw]) -> None:
        train = make(5).train
        assert len(set(train)) == len(train)
        assert 0 < (train[: len(train) // 2] >= 1000).sum() < (train >= 1000).sum()
