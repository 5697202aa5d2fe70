"""C3D: eight three-dimensional convolutions over clips of 16 frames, and its weights as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dross.errors import InputError
from dross.sources.streams import in_brief

__all__ = ["C3DNet", "convert_c3d", "load_c3d"]

_CHANNELS = {
    "conv1": (3, 64),
    "conv2": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
_POOLED = ("conv1", "conv2", "conv3b", "conv4b")
_FLAT, _WIDTH = 8192, 4096
_OTHER_NAMES = {"conv1": "conv1a", "conv2": "conv2a"}
_PREFIXES = ("", "module.", "backbone.")


class C3DNet(nn.Module):
    """The layers of C3D up to the first dense one (fc6): clips ``(b, 3, 16, 112, 112)`` to ``(b, 4096)``.

    Colours are red, green, blue from 0 to 255, less ``mean``, which is part of the weights. The last pooling
    pads both sides, as the PyTorch nets do whose weights are published; the authors' Caffe pads the far one.

    References
    ----------
    Tran, Bourdev, Fergus, Torresani, Paluri: Learning spatiotemporal features with 3D convolutional networks.
    ICCV 2015, arXiv 1412.0767.
    """

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, (n_in, n_out) in _CHANNELS.items():
            self.add_module(name, nn.Conv3d(n_in, n_out, 3, padding=1))
        self.fc6 = nn.Linear(_FLAT, _WIDTH)
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, clips: Tensor) -> Tensor:
        """Return what fc6 gives, after its rectifier."""
        x = clips - self.mean.view(3, 1, 1, 1)
        for name in _CHANNELS:
            x = self.get_submodule(name)(x).relu_()
            if name in _POOLED:
                # the first pooling leaves time as it is
                x = nn.functional.max_pool3d(x, (1, 2, 2) if name == "conv1" else 2)
        x = nn.functional.max_pool3d(x, 2, padding=(0, 1, 1))
        fc6: Tensor = self.fc6(x.flatten(1)).relu_()
        return fc6


def load_c3d(path: Path) -> C3DNet:
    """Return the net with the weights of a safetensors file.

    Raises
    ------
    InputError
        There is no such file, or it holds something else; the message says how to convert what is published.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}; C3D needs its weights as a .safetensors file.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError):
        raise InputError(
            f"{path} is no .safetensors file; published weights become one by: "
            f"python -m dross.features.convert_c3d {path.name} c3d.safetensors."
        ) from None
    weights.setdefault("mean", torch.zeros(3))
    with torch.device("meta"):
        net = C3DNet()
    needed = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    for name, shape in needed.items():
        if name not in weights or tuple(weights[name].shape) != shape:
            got = tuple(weights[name].shape) if name in weights else "nothing"
            raise InputError(f"{path} holds no C3D: {name} must have the shape {shape}, it has {got}.")
    net.load_state_dict({name: weights[name].float() for name in needed}, assign=True)
    return net.eval()


def convert_c3d(source: Path, target: Path, mean: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
    """Write published weights of C3D as a safetensors file.

    Known are state dictionaries of PyTorch whose layers are called ``conv1`` to ``conv5b`` and ``fc6``, or
    ``conv1a.conv`` and so on, with or without ``module.`` or ``backbone.`` before them. The file is read
    without running anything that a pickle may hold.

    Parameters
    ----------
    source, target : Path
    mean : three floats
        Red, green and blue that these weights expect to be taken off, between 0 and 255.

    Raises
    ------
    InputError
        It cannot be read so, or a layer is missing; the message names it.
    """
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{source} cannot be read as weights alone: {in_brief(error)}.") from None
    if isinstance(content, Mapping):
        content = content.get("state_dict", content)
    if not isinstance(content, Mapping):
        raise InputError(f"{source} holds no weights by name, but {type(content).__name__}.")
    with torch.device("meta"):
        needed = {name: tensor.shape for name, tensor in C3DNet().state_dict().items() if name != "mean"}
    found = {name: _look_up(content, name, tuple(shape), source) for name, shape in needed.items()}
    try:
        save_file(found | {"mean": torch.tensor(mean, dtype=torch.float32)}, target)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{target} cannot be written: {in_brief(error)}.") from None


def _look_up(content: Mapping[str, object], name: str, shape: tuple[int, ...], source: Path) -> Tensor:
    layer, _, kind = name.partition(".")
    layers = (layer, _OTHER_NAMES.get(layer, layer))
    names = [f"{p}{one}{mid}.{kind}" for p in _PREFIXES for one in layers for mid in ("", ".conv")]
    for one in names:
        tensor = content.get(one)
        if isinstance(tensor, Tensor) and tuple(tensor.shape) == shape:
            return tensor.float().contiguous()
    raise InputError(f"{source} has no {name} of shape {shape}; its names begin with {list(content)[:3]}.")
