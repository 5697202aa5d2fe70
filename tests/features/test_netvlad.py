"""NetVLAD as features: from a folder of images to a saved model and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import dross as library
from command_line import dross, make_pictures
from dross.errors import ParameterError
from dross.features.netvlad import NetVLAD
from dross.features.occlusion import occlusion_map
from dross.sources import open_source


def stripes(n: int = 60, odd: int = 3, side: int = 20) -> np.ndarray:
    """Images of wide stripes at any phase, the first few a chessboard of single pixels."""
    rng = np.random.default_rng(0)
    pace, phase = rng.uniform(0.5, 1, (n, 1, 1)), rng.uniform(0, 6, (n, 1, 1))
    images = 127 + 40 * np.sin(np.arange(side)[:, None] * pace + phase) + rng.normal(0, 4, (n, side, side))
    chess = 2 * (np.add.outer(np.arange(side), np.arange(side)) % 2) - 1
    images[:odd] = 127 + 60 * chess + rng.normal(0, 4, (odd, side, side))
    return images.clip(0, 255).astype(np.uint8)


def test_ranks_images_of_another_texture_first() -> None:
    findings = library.find(stripes(), features=NetVLAD(n_centres=8), detector="knn", top=3)
    assert sorted(row.id for row in findings.top) == [0, 1, 2]
    assert all(row.heatmap is not None and row.heatmap.shape == (20, 20) for row in findings.top)


def test_equal_seeds_give_equal_vectors_and_others_do_not() -> None:
    source = open_source(stripes(30))
    first, again, other = (NetVLAD(n_centres=4, random_state=seed).fit(source) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.transform(source), again.transform(source))
    assert not np.array_equal(first.transform(source), other.transform(source))


def test_the_vectors_are_white_and_a_row_hangs_on_itself_alone() -> None:
    source = open_source(stripes(80))
    features = NetVLAD(n_centres=4, n_components=6).fit(source)
    X = features.transform(source)
    np.testing.assert_allclose(np.cov(X.T), np.eye(6), atol=0.02)
    alone = features.transform(open_source(stripes(80)[:1]))
    np.testing.assert_allclose(alone, X[:1], rtol=1e-3, atol=1e-4)


def test_the_published_form_keeps_no_amounts() -> None:
    source = open_source(stripes(40))
    net = torch.nn.Conv2d(1, 6, 3, stride=2)
    ours, published = (
        NetVLAD(backbone=net, n_centres=3, published=given).fit(source) for given in (False, True)
    )
    lengths = [np.linalg.norm(f._pooled(source, np.arange(40)), axis=1) for f in (ours, published)]
    assert np.ptp(lengths[0]) > 0.01
    np.testing.assert_allclose(lengths[1], 1, rtol=1e-5)


@pytest.mark.parametrize("published", [False, True])
def test_saved_features_pool_alike(*, published: bool) -> None:
    source = open_source(stripes(30))
    features = NetVLAD(n_centres=4, published=published).fit(source)
    again = NetVLAD.from_state(*features.get_state())
    np.testing.assert_array_equal(again.transform(source), features.transform(source))


def test_any_module_serves_as_the_net_but_is_not_saved() -> None:
    net = torch.nn.Conv2d(1, 6, 3, stride=2)
    source = open_source(stripes(40))
    features = NetVLAD(backbone=net, n_centres=3).fit(source)
    assert features.transform(source).shape == (40, 5)
    with pytest.raises(ParameterError, match="cannot be saved"):
        features.get_state()


def test_from_the_command_line_and_back(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "pictures", n=24)
    out = tmp_path / "out"
    options = ("--features", "netvlad", "--detector", "pca", "--out", out, "--quiet")
    assert dross("find", folder, *options).code == 0
    model = library.load(out / "model.dross")
    scores = dross("score", out / "model.dross", folder, "--out", tmp_path / "scores.csv")
    assert scores.code == 0
    assert model.features_name == "netvlad"
    again = library.find(folder, features="netvlad", detector="pca")
    np.testing.assert_array_equal(model.anomaly_score(folder), again.anomaly_scores)
    assert again.summary["features"]["name"] == "netvlad"


def test_says_what_is_wrong_in_one_sentence(tmp_path: Path) -> None:
    folder = make_pictures(tmp_path / "pictures")
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n3,4\n5,6\n7,8\n9,1\n")
    assert dross("find", folder, "--features", "netvald").failed_with("'netvlad'")
    assert dross("find", folder, "--features", "raw:x").failed_with("needed is raw")
    assert dross("find", table, "--features", "netvlad").failed_with("take images", "raw")
    options = ("--features", "netvlad", "--detector", "rotnet")
    assert dross("find", folder, *options).failed_with("rotnet", "netvlad", "rows of a table")
    with pytest.raises(ParameterError, match="at least 1"):
        NetVLAD(n_centres=0)
    with pytest.raises(ParameterError, match="must be a name or features"):
        library.find(folder, features=3)  # type: ignore[arg-type]


def test_occlusion_finds_the_place_that_makes_the_score() -> None:
    x = torch.zeros(3, 30, 30)
    x[:, 21:24, 3:6] = 1
    heat = occlusion_map(lambda b: b.sum(dim=(1, 2, 3)).double().numpy(), x, torch.zeros(3))
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert (row // 10, column // 10) == (2, 0)
    assert heat[:15, 15:].max() == 0
