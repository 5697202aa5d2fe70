"""Folders of sentence-transformers: which load, and which are refused before they are loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dross.errors import InputError, ModelFileError
from dross.features.encoder_files import EncoderFiles
from dross.features.encoders import TextEncoder
from tiny_encoders import make_bert

pytest.importorskip("sentence_transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_POOLING = {"embedding_dimension": 12, "pooling_mode": "mean"}
_DENSE = {"in_features": 12, "out_features": 5, "bias": False, "activation_function": "torch.nn.Identity"}


def _folder(folder: Path, types: tuple[str, ...]) -> Path:
    """Write a BERT, the mean over its tokens, and what else is asked for."""
    make_bert(folder)
    paths = ["" if i == 0 else f"{i}_{one.rsplit('.', 1)[-1]}" for i, one in enumerate(types)]
    listed = [{"idx": i, "name": str(i), "path": path, "type": one}
              for i, (path, one) in enumerate(zip(paths, types, strict=True))]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(listed))
    for path in paths[1:]:
        (folder / path).mkdir()
        config = _POOLING if "Pooling" in path else _DENSE if "Dense" in path else {}
        (folder / path / "config.json").write_text(json.dumps(config))
    return folder


def _vectors(folder: Path) -> np.ndarray:
    return TextEncoder(EncoderFiles.open(str(folder), "text"), precision="32").vectors(["the cat", "a dog"])


@pytest.mark.parametrize(
    "types",
    [
        ("models.Transformer", "models.Pooling", "models.Normalize"),
        (
            "base.modules.transformer.Transformer",
            "sentence_transformer.modules.pooling.Pooling",
            "base.modules.normalize.Normalize",
        ),
    ],
)
def test_the_librarys_own_modules_load(types: tuple[str, ...], tmp_path: Path) -> None:
    folder = _folder(tmp_path / "encoder", tuple(f"sentence_transformers.{one}" for one in types))
    plain = make_bert(tmp_path / "plain")
    np.testing.assert_allclose(_vectors(folder), _vectors(plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        "modeling.Evil",
        "sentence_transformers.models.CLIPModel",
        "sentence_transformers.util.Pooling",
        "evil.sentence_transformers.models.Pooling",
        "sentence_transformers.models.Pooling.evil.Pooling",
    ],
)
def test_other_modules_are_refused(other: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "encoder", ("sentence_transformers.models.Transformer", other))
    (folder / "modeling.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    with pytest.raises(InputError, match=f"names the module '{other}', which is none of those"):
        _vectors(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("listed", ["[1]", '[{"type": "x"}]', "[", '[{"path": 3}]'])
def test_a_damaged_list_of_modules_is_named(listed: str, tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "encoder")
    (folder / "modules.json").write_text(listed)
    with pytest.raises(InputError, match="is damaged"):
        _vectors(folder)


def test_pickled_weights_of_a_module_are_refused(tmp_path: Path) -> None:
    own = "sentence_transformers.models"
    folder = _folder(tmp_path / "encoder", (f"{own}.Transformer", f"{own}.Pooling", f"{own}.Dense"))
    dense = folder / "2_Dense"
    torch.save({"linear.weight": torch.eye(5, 12)}, dense / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"2_Dense has no weights as \.safetensors"):
        _vectors(folder)
    save_file({"linear.weight": torch.eye(5, 12)}, dense / "model.safetensors")
    assert _vectors(folder).shape == (2, 5)
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"encoder has no weights as \.safetensors"):
        _vectors(folder)


def test_a_transformer_without_weights_of_its_own_never_takes_a_pickle(tmp_path: Path) -> None:
    folder = make_bert(tmp_path / "encoder")
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"similarity_fn_name": "cosine"}))
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    (folder / "elsewhere").mkdir()
    weights.rename(folder / "elsewhere" / "model.safetensors")
    with pytest.raises(InputError, match="cannot be loaded as an encoder"):
        _vectors(folder)


@pytest.mark.parametrize("name", ["modeling.py", "a/__init__.py", "pytorch_model.bin", "C:/x.json", "/x.json",
                                  "..\\x.json", "config"])  # fmt: skip
def test_a_model_file_brings_no_other_files(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "cache"))
    content = b"print('ran')"
    values = {"name": "x", "checksums": {name: hashlib.sha256(content).hexdigest()}}
    arrays = {f"file/{name}": np.frombuffer(content, np.uint8)}
    with pytest.raises(ModelFileError, match="its encoder has a file named"):
        EncoderFiles.from_state(values, arrays, "text")
