"""Features that somebody else computed, as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import dross as library
from command_line import dross
from dross.errors import InputError, ModelFileError
from dross.sources import open_source
from dross.sources.base import ReadOptions
from dross.sources.vectors import VectorSource


def segments(n: int = 32, d: int = 24, seed: int = 0) -> np.ndarray:
    """Rows of a slow walk; three of the first video's jump."""
    rng = np.random.default_rng(seed)
    X = 1 + rng.normal(0, 0.1, (n, d))
    if seed == 0:
        X[10:13, :4] += 2
    return X


def published(folder: Path) -> Path:
    """Write texts as UCF-Crime's features are published: a file a video, a segment a line."""
    folder.mkdir()
    for seed, name in enumerate(("Abuse001_x264", "Normal_Videos_003_x264")):
        lines = [" ".join(f"{value:.6f}" for value in row) for row in segments(seed=seed)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_texts_of_numbers_are_features_not_texts(tmp_path: Path) -> None:
    source = open_source(published(tmp_path / "features"))
    assert isinstance(source, VectorSource)
    assert (source.kind, source.vectors.shape) == ("features", (64, 24))
    np.testing.assert_allclose(source.vectors[:32], segments(), atol=1e-6)
    assert source.ids[33] == "Normal_Videos_003_x264.txt segment 1"


def test_arrays_in_a_folder_and_in_one_array_are_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    both = np.stack([segments(seed=seed) for seed in (0, 1)])
    for number, X in enumerate(both):
        np.save(folder / f"{number}.npy", X)
    np.savez(tmp_path / "all.npz", features=both, names=np.array(["a", "b"]))
    one, other = open_source(folder), open_source(tmp_path / "all.npz", ReadOptions(kind="features"))
    third = open_source(both, ReadOptions(kind="features"))
    assert isinstance(one, VectorSource) and isinstance(other, VectorSource)  # noqa: PT018
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert isinstance(third, VectorSource)
    np.testing.assert_array_equal(third.vectors, other.vectors)
    assert open_source(both).family == "image"  # an array of three dimensions is images unless one says so


def test_from_the_command_line_to_curve_and_back(tmp_path: Path) -> None:
    folder, out = published(tmp_path / "features"), tmp_path / "out"
    run = dross("find", folder, "--out", out, "--contamination", 0.05)
    assert run.code == 0
    table = pq.read_table(out / "scores.parquet").to_pandas()
    assert table[table.is_anomaly].start.tolist() == [10, 11, 12]
    page = (out / "report.html").read_text()
    assert "segments →" in page
    assert "10 to 13" in page
    model = library.load(out / "model.dross")
    assert model.score(folder).rank[[10, 11, 12]].max() == 3
    with pytest.raises(ModelFileError, match="have 5 numbers; the model takes 24"):
        model.score(np.zeros((3, 5)))
    assert "most unusual in the numbers" in run.out


def test_says_what_is_wrong(tmp_path: Path) -> None:
    folder = published(tmp_path / "features")
    (folder / "other.txt").write_text("1.0 " * 20 + "\n")
    (folder / "ragged.txt").write_text("1.0 " * 24 + "\n" + "1.0 " * 23 + "\n")
    np.save(folder / "cube.npy", np.zeros((2, 2, 2)))
    np.save(folder / "holes.npy", np.full((2, 24), np.nan))
    why = {item.id: item.reason for item in open_source(folder).unreadable}
    assert why["other.txt"] == "20 numbers a row, Abuse001_x264.txt has 24"
    assert "columns" in why["ragged.txt"]
    assert "not rows of numbers" in why["cube.npy"]
    assert "NaN" in why["holes.npy"]
    with pytest.raises(InputError, match="features are numbers of shape"):
        open_source(np.zeros(4), ReadOptions(kind="features"))
    with pytest.raises(InputError, match="NaN"):
        open_source(np.full((4, 4), np.nan), ReadOptions(kind="features"))
    (tmp_path / "equal").mkdir()
    np.save(tmp_path / "equal" / "a.npy", np.ones((9, 3)))
    assert dross("find", tmp_path / "equal").failed_with("all of them are equal")
