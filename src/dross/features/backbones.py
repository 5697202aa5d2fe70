"""What turns images into maps of local descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dross.features.base import ImageForm, State, below
from dross.features.image_scaler import ImageScaler
from dross.nets.conv import conv_encoder
from dross.rows import batches
from dross.tensors import resolve_device

if TYPE_CHECKING:
    from dross.features.pretrained import Pretrained
    from dross.sources.base import Source
    from dross.sources.images import ImageSource

__all__ = ["Backbone", "ModuleBackbone", "PretrainedBackbone", "TrainedBackbone"]

_BATCH = 128
_CHANNELS = (32, 64, 128)
_STEPS = 300
_LATENT_DIM = 64
_DEPTH = 2  # layers whose output is taken; each halves the sides


class Backbone(Protocol):
    """Images of a source to maps ``(b, d, h, w)``: batches of what the net takes, and the net."""

    @property
    def image_form(self) -> ImageForm:
        """How new images are read."""

    def fit(self, source: Source) -> Self:
        """Learn what there is to learn from the images."""

    def inputs(self, source: Source, rows: NDArray[np.int64] | None = None) -> Iterator[Tensor]:
        """Yield batches ``(b, c, h, w)`` of some images, or all, in the order of rising rows."""

    def maps(self, x: Tensor) -> Tensor:
        """Return the descriptors of a batch, without gradients, in float32 on the processor."""

    def back(self, heat: NDArray[np.float32], source: Source, row: int) -> NDArray[np.float32]:
        """Return a map of the net's input as one of the image as it is shown."""


class _NetBackbone:
    """A net on the images of a source, brought to values between 0 and 1 and standardised."""

    _net: nn.Module
    _center: Tensor | float = 0.0
    _scale: Tensor | float = 1.0

    def __init__(self, device: str) -> None:
        self._device = resolve_device(device)
        self.scaler = ImageScaler()

    @property
    def image_form(self) -> ImageForm:
        """As the images fitted on."""
        return self.scaler.image_form

    def inputs(self, source: Source, rows: NDArray[np.int64] | None = None) -> Iterator[Tensor]:
        """Yield batches as the net takes them."""
        X = self.scaler.transform(source)
        rows = np.arange(len(X)) if rows is None else rows
        for part in batches(len(rows), _BATCH):
            yield (torch.from_numpy(np.asarray(X[rows[part]])) - self._center) * self._scale

    def maps(self, x: Tensor) -> Tensor:
        """Return what the net makes of a batch."""
        with torch.inference_mode():
            out: Tensor = self._net(x.to(self._device)).float().cpu()
        return out

    def back(self, heat: NDArray[np.float32], source: Source, row: int) -> NDArray[np.float32]:
        """Return the map itself: the net takes images as they are shown."""
        del source, row
        return heat


class ModuleBackbone(_NetBackbone):
    """A net of the caller's: any module from images between 0 and 1 to maps ``(b, d, h, w)``."""

    def __init__(self, module: nn.Module, *, device: str = "auto") -> None:
        super().__init__(device)
        self._net = module.to(self._device).eval()

    def fit(self, source: Source) -> Self:
        """Take the range of the images; the net stays as it is."""
        self.scaler.fit(source)
        return self


class TrainedBackbone(_NetBackbone):
    """The convolutions of an autoencoder that was trained on the images themselves, without labels.

    Contamination: the descriptors are of patches, which anomalies mostly share with all other images, and the
    few steps of the training leave no room to learn single images by heart.

    Parameters
    ----------
    random_state, device
        Of the training.
    """

    def __init__(self, *, random_state: int = 0, device: str = "auto") -> None:
        super().__init__(device)
        self.random_state = random_state

    def fit(self, source: Source) -> Self:
        """Train the autoencoder for about 300 steps of 128 images, at most 30 times over all images."""
        from dross.detectors.autoencoder import AutoEncoder

        self.scaler.fit(source)
        X = self.scaler.transform(source)
        epochs = min(30, max(1, round(_STEPS * _BATCH / len(X))))
        trained = AutoEncoder(
            hidden_sizes=_CHANNELS,
            latent_dim=_LATENT_DIM,
            max_epochs=epochs,
            batch_size=_BATCH,
            contamination=0.1,
            device=self._device,  # type: ignore[arg-type]
            random_state=self.random_state,
        ).fit(X)
        encoder: Any = trained.module_.encoder
        self._take(encoder, trained.center_, trained.scale_)
        self._net.to(self._device)
        return self

    def get_state(self) -> State:
        """Return what was learnt."""
        arrays = {f"net.{name}": tensor.cpu().numpy() for name, tensor in self._net.state_dict().items()}
        scaling, _ = self.scaler.get_state()
        arrays |= {"center": np.asarray(self._center), "scale": np.asarray(self._scale)}
        return {"scaling": scaling}, arrays

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]], device: str) -> Self:
        """Take back what `get_state` returned."""
        backbone = cls(device=device)
        backbone.scaler = ImageScaler.from_state(values["scaling"], {})
        with torch.device("meta"):
            encoder = conv_encoder(backbone.scaler.shape, _CHANNELS, _LATENT_DIM)
        backbone._take(encoder, arrays["center"], arrays["scale"])
        weights = {name: torch.from_numpy(array) for name, array in below("net.", arrays).items()}
        backbone._net.load_state_dict(weights, assign=True)
        backbone._net.to(backbone._device)
        return backbone

    def _take(self, encoder: Any, center: NDArray[Any], scale: NDArray[Any]) -> None:
        """Keep the first layers of an encoder of convolution, normalisation, activation."""
        self._net = encoder[: 3 * _DEPTH].eval()
        self._center = torch.as_tensor(np.ravel(center)).view(-1, 1, 1)
        self._scale = torch.as_tensor(np.ravel(scale)).view(-1, 1, 1)


class PretrainedBackbone:
    """The local descriptors of a pretrained encoder of images."""

    def __init__(self, features: Pretrained) -> None:
        self._features = features

    @property
    def image_form(self) -> ImageForm:
        """That of the encoder."""
        return self._features.image_form

    def fit(self, source: Source) -> Self:
        """Find the encoder."""
        self._features.fit(source)
        return self

    def inputs(self, source: Source, rows: NDArray[np.int64] | None = None) -> Iterator[Tensor]:
        """Yield batches as the encoder takes them."""
        rows = np.arange(len(source)) if rows is None else rows
        return self._features.image_batches(cast("ImageSource", source), rows)

    def maps(self, x: Tensor) -> Tensor:
        """Return the last layer's maps, or the tokens of its patches."""
        return self._features.maps(x)

    def back(self, heat: NDArray[np.float32], source: Source, row: int) -> NDArray[np.float32]:
        """Return the map in the frame of the image as it is shown."""
        return self._features.back(heat, cast("ImageSource", source), row)

    def get_state(self) -> State:
        """Return the encoder's state."""
        return self._features.get_state()
