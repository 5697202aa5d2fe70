"""C3D: its net, its weights as files, and its vectors of clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from command_line import dross
from dross.errors import InputError, ModelFileError
from dross.features.c3d import C3D
from dross.features.convert_c3d import main
from dross.nets.c3d import C3DNet, load_c3d
from dross.sources import open_source
from video_files import make_video

pytest.importorskip("av")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights, drawn so that no layer dies out."""
    generator = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in C3DNet().state_dict().items()}
    drawn = {}
    for name, shape in shapes.items():
        deviation = (2 / max(1, torch.Size(shape[1:]).numel())) ** 0.5 if len(shape) > 1 else 0.01
        drawn[name] = torch.randn(shape, generator=generator) * deviation
    path = tmp_path_factory.mktemp("c3d") / "c3d.safetensors"
    save_file(drawn | {"mean": torch.tensor([90.0, 98.0, 102.0])}, path)
    return path


def test_the_net_is_the_papers(weights: Path) -> None:
    x = 255 * torch.rand(1, 3, 16, 112, 112, generator=torch.Generator().manual_seed(1))
    w = load_file(weights)
    y = x - torch.tensor([90.0, 98.0, 102.0]).view(1, 3, 1, 1, 1)
    for names, pool in (
        (("conv1",), (1, 2, 2)), (("conv2",), (2, 2, 2)), (("conv3a", "conv3b"), (2, 2, 2)),
        (("conv4a", "conv4b"), (2, 2, 2)),
    ):  # fmt: skip
        for name in names:
            y = functional.relu(functional.conv3d(y, w[f"{name}.weight"], w[f"{name}.bias"], padding=1))
        y = functional.max_pool3d(y, pool)
    for name in ("conv5a", "conv5b"):
        y = functional.relu(functional.conv3d(y, w[f"{name}.weight"], w[f"{name}.bias"], padding=1))
    assert y.shape == (1, 512, 2, 7, 7)
    # what was rectified may be padded with zeros
    y = functional.max_pool3d(functional.pad(y, (1, 1, 1, 1)), 2)
    assert y.shape == (1, 512, 1, 4, 4)
    expected = functional.relu(y.reshape(1, -1) @ w["fc6.weight"].T + w["fc6.bias"])
    with torch.inference_mode():
        found = load_c3d(weights)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-2 * float(expected.max()))
    assert 0.2 < (found > 0).float().mean() < 0.8


def test_vectors_of_a_video_and_back_through_the_model(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "cache"))
    source = open_source(make_video(tmp_path / "a.mp4", n_frames=96))
    features = C3D(weights=str(weights)).fit(source)
    X = features.transform(source)
    assert X.shape == (6, 4096)
    frames = next(source.clips(171, 128, np.array([3])))[:, 8:120, 29:141]
    with torch.inference_mode():
        alone = load_c3d(weights)(torch.from_numpy(frames.astype(np.float32)).permute(3, 0, 1, 2)[None])[0]
    np.testing.assert_allclose(X[3], alone.numpy() * 64 / alone.norm().item(), rtol=1e-3, atol=1e-3)
    values, arrays = features.get_state()
    assert arrays == {}
    np.testing.assert_array_equal(C3D.from_state(values, arrays).transform(source), X)
    with pytest.raises(ModelFileError, match="not those fitted with"):
        C3D.from_state(values | {"checksum": "0"}, {})


class TestConverting:
    def test_known_layouts(self, weights: Path, tmp_path: Path) -> None:
        tensors = load_file(weights)
        plain = {name: tensor for name, tensor in tensors.items() if name != "mean"}
        torch.save(plain | {"fc8.weight": torch.zeros(2, 2)}, tmp_path / "plain.pt")
        renamed = {}
        for name, tensor in plain.items():
            layer, _, kind = name.partition(".")
            layer = {"conv1": "conv1a", "conv2": "conv2a"}.get(layer, layer)
            renamed[f"backbone.{layer}{'.conv' if layer != 'fc6' else ''}.{kind}"] = tensor
        torch.save({"state_dict": renamed}, tmp_path / "renamed.pt")
        for name in ("plain", "renamed"):
            arguments = [str(tmp_path / f"{name}.pt"), str(tmp_path / f"{name}.safetensors")]
            assert main([*arguments, "--mean", "90", "98", "102"]) == 0
            made = load_file(tmp_path / f"{name}.safetensors")
            assert all(torch.equal(made[key], tensors[key]) for key in tensors)

    def test_says_what_is_missing(
        self, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        tensors = {n: t for n, t in load_file(weights).items() if not n.startswith("conv4b")}
        torch.save(tensors, tmp_path / "few.pt")
        assert main([str(tmp_path / "few.pt"), str(tmp_path / "out.safetensors")]) == 2
        assert "has no conv4b.weight of shape (512, 512, 3, 3, 3)" in capsys.readouterr().err
        assert not (tmp_path / "out.safetensors").exists()
        torch.save(load_file(weights), tmp_path / "whole.pt")
        assert main([str(tmp_path / "whole.pt"), str(tmp_path / "missing" / "out.safetensors")]) == 2
        assert "cannot be written" in capsys.readouterr().err
        (tmp_path / "no.pt").write_bytes(b"nothing")
        assert main([str(tmp_path / "no.pt"), str(tmp_path / "out.safetensors")]) == 2
        assert "cannot be read as weights alone" in capsys.readouterr().err

    def test_other_files_are_refused_in_one_sentence(self, tmp_path: Path) -> None:
        path = make_video(tmp_path / "a.mp4", n_frames=96)
        (tmp_path / "c3d.pickle").write_bytes(b"\x80\x02nothing")
        said = dross("find", path, "--features", f"c3d:{tmp_path / 'c3d.pickle'}")
        assert said.failed_with("python -m dross.features.convert_c3d")
        save_file({"conv1.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
        with pytest.raises(InputError, match=r"holds no C3D: conv1\.weight must have the shape"):
            load_c3d(tmp_path / "other.safetensors")
