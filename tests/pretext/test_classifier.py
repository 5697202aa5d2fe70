"""What detectors share that tell transformations apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dross.detectors.rotnet import RotNet
from dross.errors import ParameterError
from dross.nets.wide_resnet import WideResNet
from dross.pretext import classifier
from dross.pretext.classifier import RepeatedRows, TransformationClassifier
from dross.pretext.transformations import Rotations


class TestRepeatedRows:
    X = np.arange(12.0).reshape(4, 3)

    def test_every_way_to_ask(self) -> None:
        rows, expected = RepeatedRows(self.X, 5), np.repeat(self.X, 5, axis=0)
        assert (len(rows), rows.shape, rows.dtype) == (20, (20, 3), self.X.dtype)
        np.testing.assert_array_equal(rows[:], expected)
        np.testing.assert_array_equal(rows[3:17], expected[3:17])
        order = np.random.default_rng(0).permutation(20)
        np.testing.assert_array_equal(rows[order], expected[order])

    def test_a_row_is_read_once_and_in_rising_order(self) -> None:
        asked: list[Any] = []

        class Source:
            shape, dtype = self.X.shape, self.X.dtype

            def __len__(self) -> int:
                return 4

            def __getitem__(self, rows: Any) -> Any:
                asked.append(list(rows))
                return TestRepeatedRows.X[rows]

        RepeatedRows(Source(), 5)[np.array([17, 0, 3, 16])]  # type: ignore[arg-type]
        assert asked == [[0, 3]]


@pytest.fixture
def module() -> TransformationClassifier:
    torch.manual_seed(0)
    return TransformationClassifier(WideResNet(2, 4, depth=4), Rotations(8)).eval()


def images(n: int) -> Tensor:
    return torch.randn(n, 2, 8, 8, generator=torch.Generator().manual_seed(1))


def test_drawn_views_are_those_named(module: TransformationClassifier) -> None:
    x = images(200)
    views, which = module.draw(x)
    assert torch.bincount(which).min() > 30
    for turns in range(4):
        assert torch.equal(views[which == turns], x[which == turns].rot90(turns, (2, 3)))


def test_loss_is_the_cross_entropy_of_a_draw(module: TransformationClassifier) -> None:
    x = images(5)
    torch.manual_seed(3)
    loss = module.loss(x)
    torch.manual_seed(3)
    views, which = module.draw(x)
    expected = -functional.log_softmax(module.net(views), dim=1)[range(5), which].mean()
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("at_once", [1, 600, 10**6])
def test_views_in_parts(
    module: TransformationClassifier, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "_PIXELS_AT_ONCE", at_once)
    x = images(5)
    expected = torch.stack([module.net(x.rot90(turns, (2, 3))) for turns in range(4)], dim=1)
    torch.testing.assert_close(module.logits(x), expected)


def test_an_epoch_meets_every_image_once_for_each_transformation(monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[Tensor] = []
    draw = TransformationClassifier.draw

    def noted(self: TransformationClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
        met.append(x)
        return draw(self, x)

    monkeypatch.setattr(TransformationClassifier, "draw", noted)
    X = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).astype(np.float32)
    RotNet(depth=4, max_epochs=1, batch_size=16, standardize=False, random_state=0).fit(X)
    assert [len(x) for x in met] == [16, 16, 8]
    seen = torch.cat(met).flatten(1)
    counts = (seen[:, None] == torch.from_numpy(X).flatten(1)).all(dim=2).sum(dim=0)
    assert counts.tolist() == [4] * 10
    assert len(torch.unique(met[0], dim=0)) > 4  # shuffled over all


@pytest.mark.parametrize("depth", [5, 12])
def test_depths_that_there_are_not(depth: int) -> None:
    with pytest.raises(ParameterError, match=rf"depth.*{depth}"):
        RotNet(depth=depth).fit(np.zeros((4, 1, 8, 8)))


def test_images_that_are_not_square() -> None:
    with pytest.raises(ParameterError, match="8 x 9"):
        RotNet(depth=4).fit(np.zeros((4, 1, 8, 9)))
