"""What all trained detectors share: seeds, device, precision, standardisation, scoring, state."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from dross.base import BaseDetector
from dross.errors import ParameterError
from dross.features.base import State, below
from dross.parameters import check_choice, check_number
from dross.rows import Rows, batches
from dross.tensors import has_bf16, in_one_piece, resolve_device, threads, to_tensor
from dross.training import Training

__all__ = ["MAX_ABS", "DeepDetector", "ScoringModule"]

MAX_ABS = 1e6
"""Values are clipped here, standardised or not, so that no absurd cell overflows float32 when squared."""

_PASS_VALUES = 1_000_000
_SCORE_BATCH_VALUES = {1: 250_000, 3: 500_000}


def _codes(module: Any, x: Tensor) -> Tensor:
    """Return the codes of a standardised batch: of ``encode``, where the encoder gives more than the code."""
    codes: Tensor = module.encode(x) if hasattr(module, "encode") else module.encoder(x)
    return codes


class ScoringModule(Protocol):
    """A torch module that can be trained and asked: what `DeepDetector._build_module` returns."""

    def loss(self, x: Tensor) -> Tensor:
        """Return the training loss of a standardised batch, a scalar."""

    def score(self, x: Tensor) -> Tensor:
        """Return the anomaly score of each row of a standardised batch, shape (b,)."""


@dataclass(kw_only=True, eq=False, repr=False)
class DeepDetector(BaseDetector):
    """Base of the detectors that train a torch module.

    A subclass writes `_build_module`; the module offers ``loss`` and ``score`` (see `ScoringModule`). One
    that trains otherwise writes `_configure_optimizers`, `_lr_factor`, `_training_step`, `_select_rows`,
    `_on_epoch_end` or `_has_learnt_enough` as well. Rows are standardised with the training mean and
    deviation, per column or per image channel, so that any unit will do.

    Parameters
    ----------
    max_epochs : int or None, default None
        Passes over the rows; None takes as many as make about 8 000 steps, at most 200: with small data the
        passes, with large data the steps bound the time.
    batch_size : int, default 256
    lr : float, default 1e-3
        Learning rate of Adam (its authors' default).
    weight_decay : float, default 0
    standardize : bool or "auto", default "auto"
        Whether rows are standardised; turn it off for features already on one scale. "auto" does it, unless
        the detector says otherwise. Either way a net sees no value beyond ±1e6.
    device : "auto", "cpu" or "cuda", default "auto"
        Resolved in `fit`: "auto" takes a GPU if there is one.
    precision : "auto", "32" or "bf16", default "auto"
        What *training* computes in. "auto" takes bf16 for images where the hardware multiplies it natively
        (AMX, or a GPU of compute capability 8), else float32; for the small nets of tables the conversions
        would cost more than they save. Scores are float32, unless "bf16" is asked for.
    verbose : int, default 0
        1 logs every epoch to the module's logger.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    module_ : nn.Module
        The trained net, on ``device_``.
    history_ : list of dict
        Per epoch: ``epoch`` (from 1), mean ``loss``, and what the method adds; where it chose its rows anew,
        how many it ``selected`` and how many came or went (``changed``); the last epoch has those of the
        choice that ended training.
    standardizes_ : bool
        Whether rows are standardised.
    training_rows_ : int array or None
        Numbers of the rows that the last epoch learnt from; None for all of them.
    notes_ : list of str
        What a reader of the scores has to know: images that were resized, a training that went wrong.
    converged_ : bool
        Whether training ended because the same rows were selected twice or enough was learnt; else
        ``max_epochs`` ended it.
    training_end_ : str
        The same in words, with the number of epochs. A detector that was loaded knows neither, nor its
        history.
    """

    keeps_good_state: ClassVar[bool] = False
    """Whether a training that goes wrong ends with the weights of its last good epoch, not with an error."""
    to_unit_range: ClassVar[bool] = False
    """Whether ``standardize`` brings columns and channels to [0, 1], not to mean 0 and deviation 1."""

    max_epochs: int | None = None
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.0
    standardize: bool | Literal["auto"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "32", "bf16"] = "auto"
    verbose: int = 0

    # ------------------------------------------------------- for subclasses

    @abstractmethod
    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        """Return a fresh `ScoringModule`, from parameters and shape alone, so that loading can rebuild it."""

    def _configure_optimizers(self) -> list[Optimizer]:
        """Return the optimisers, whose states checkpoints keep."""
        weights = self._in_one_piece(self.module_)
        return [Adam([weights], lr=self.lr, weight_decay=self.weight_decay, fused=True)]

    def _lr_factor(self, epoch: int, n_epochs: int) -> float:
        """Return by what the optimisers' rates are multiplied in an epoch (0 is the first)."""
        return 1.0

    def _training_step(self, x: Tensor, rows: Tensor, optimizers: list[Optimizer]) -> Tensor:
        """Learn from a standardised batch, the training rows of these numbers; return the loss, detached.

        ``share_trained_`` is the share of all steps taken before this one, for schedules.
        """
        return self._descend(optimizers[0], lambda: self.module_.loss(x))  # type: ignore[operator]

    def _select_rows(self, X: Rows, epoch: int) -> NDArray[np.int64] | None:
        """Return the rows to train on from now on, at least one, in rising order; None for no change.

        Asked before each epoch (0 is the first), with the module in eval mode. Training begins with all rows;
        selecting the same rows as the last time ends it.
        """
        return None

    def _rows_per_step(self, n_rows: int) -> int:
        """Return how many rows a step takes, of so many to learn from."""
        return min(self.batch_size, n_rows)

    def _standardizes(self, X: Rows) -> bool:
        """Return what "auto" takes for ``standardize``."""
        return True

    def _rows_at_once(self) -> int:
        """Return how many rows are scored at once."""
        n_values: int = math.prod(self.input_shape_)
        return max(1, _SCORE_BATCH_VALUES[len(self.input_shape_)] // n_values)

    def _on_epoch_end(self) -> dict[str, float]:
        """Do what is due after an epoch, and return what its history is to tell.

        What must outlive an interruption belongs into the module's buffers: they are in the checkpoint.
        """
        return {}

    def _has_learnt_enough(self, entry: dict[str, float]) -> bool:
        """Return whether training ends with the epoch that this entry of the history tells of."""
        return False

    def _trouble(self, entry: dict[str, float]) -> str:
        """Return what went wrong in the epoch that this entry of the history tells of, or ""."""
        return ""

    def _stage(self) -> str:
        """Return where training is, for messages: "" or as " at 16 × 16"."""
        return ""

    def _descend(self, optimizer: Optimizer, loss: Callable[[], Tensor]) -> Tensor:
        """Take one step down a loss, computed in the training's precision; return it, detached."""
        optimizer.zero_grad(set_to_none=False)
        with self._autocast():
            value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return value.detach()

    @property
    def _trains_in_bf16(self) -> bool:
        return not isinstance(self._autocast(), nullcontext)

    def _in_one_piece(self, module: nn.Module) -> nn.Parameter:
        """Lay a module's weights side by side in one tensor, for an optimiser."""
        return in_one_piece(list(module.parameters()), channels_last=self._trains_in_bf16)

    def _check_parameters(self) -> None:
        check_number(self, "max_epochs", int, 1, optional=True)
        check_number(self, "batch_size", int, 2)
        check_number(self, "lr", float, 0, excluding=(0,))
        check_number(self, "weight_decay", float, 0)
        check_choice(self, "device", "auto", "cpu", "cuda")
        check_choice(self, "precision", "auto", "32", "bf16")
        check_choice(self, "standardize", "auto", True, False)

    # --------------------------------------------------------- latent space

    def embed(self, X: Rows) -> NDArray[np.float64]:
        """Return the codes of rows, shape (n, k).

        Raises
        ------
        ParameterError
            If the method has no latent space.
        """
        module = self._latent_module()
        return self._map_batches(self._validate(X, reset=False), lambda x: _codes(module, x))

    def reconstruct(self, X: Rows) -> NDArray[np.float64]:
        """Return rows rebuilt from their codes, in the unit and shape of the rows.

        Raises
        ------
        ParameterError
            If the method has no latent space, or no way back from it.
        """
        module = self._latent_module()
        if not hasattr(module, "reconstruct") and not hasattr(module, "decoder"):
            raise ParameterError(f"{type(self).__name__} rebuilds nothing.")
        X = self._validate(X, reset=False)
        return self._in_their_unit(self._map_batches(X, self._rebuilt), X)

    def _rebuilt(self, x: Tensor) -> Tensor:
        """Return a standardised batch rebuilt, by the module's own way where it has one."""
        module: Any = self.module_
        rebuild = getattr(module, "reconstruct", lambda x: module.decoder(_codes(module, x)))
        rebuilt: Tensor = rebuild(x)
        return rebuilt

    def _in_their_unit(self, seen: NDArray[np.float64], X: Rows) -> NDArray[np.float64]:
        """Return rows in the unit of ``X``, given as the net sees them."""
        per_unit = (-1,) + (1,) * (len(self.input_shape_) - 1)
        rows = seen / self.scale_.reshape(per_unit) + self.center_.reshape(per_unit)
        return np.asarray(rows - self._narrow(np.zeros((1, *self.input_shape_), X.dtype)))

    def _latent_module(self) -> Any:
        """Return the module, if it has codes."""
        check_is_fitted(self)
        if not hasattr(self.module_, "encode") and not hasattr(self.module_, "encoder"):
            raise ParameterError(f"{type(self).__name__} has no latent space.")
        return self.module_

    # ------------------------------------------------------------------ fit

    def _fit(self, X: Rows) -> None:
        self.device_ = resolve_device(self.device)
        self.notes_: list[str] = []
        # A detector's randomness is its own: the caller's generators are the same after a fit as before.
        with torch.random.fork_rng(devices=[self.device_] if self.device_ == "cuda" else []):
            torch.manual_seed(self.seed_)
            self._learn_standardisation(X)
            self.module_ = self._build_module(self.input_shape_).to(self.device_)
            self._train(X)
        self.module_.eval()

    def _train(self, X: Rows) -> None:
        run = Training(self, X)
        run.restore()
        self._monitor.training = True
        try:
            with threads(1 if run.is_light else torch.get_num_threads()):
                run.train()
        finally:
            self._monitor.training = False
        for parameter in self.module_.parameters():  # apart again, each with storage of its own
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
            parameter.grad = None
        self.history_ = run.history
        self.converged_ = run.is_over
        self.training_end_ = run.end()

    def _learn_standardisation(self, X: Rows) -> None:
        self.standardizes_ = self._standardizes(X) if self.standardize == "auto" else self.standardize
        self.center_, self.scale_ = self._standardisation(X)
        self._place_standardisation()

    def _standardisation(self, X: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and 1/deviation per column or channel, from one pass in float64, or `_spanning`.

        Sums are taken about the median: it is within a deviation of the mean, so nothing cancels.
        """
        n_units, n_each = self.input_shape_[0], math.prod(self.input_shape_[1:])
        if not self.standardizes_:
            return np.zeros(n_units, np.float32), np.ones(n_units, np.float32)
        if self.to_unit_range:
            return self._spanning(X)
        middle = self._narrow(self.reference_[None].astype(X.dtype)).reshape(n_units, n_each).mean(axis=1)
        total, squares = np.zeros(n_units), np.zeros(n_units)
        with np.errstate(over="ignore", invalid="ignore"):
            for part in self._by_unit(X):
                x = part - middle[:, None]
                total += x.sum(axis=(0, 2))
                squares += np.einsum("nui,nui->u", x, x)
            shift = total / (len(X) * n_each)
            variance = np.nan_to_num(squares / (len(X) * n_each) - shift**2, nan=np.inf)
            center = np.nan_to_num(middle + shift)
        # A constant column says nothing; one whose square overflows is squeezed to where nothing overflows.
        tiny, limit = np.finfo(np.float32).tiny, np.finfo(np.float32).max
        deviation = np.sqrt(np.maximum(variance, 0))
        deviation = np.where(deviation > tiny, np.minimum(deviation, limit), 1.0)
        return np.clip(center, -limit, limit).astype(np.float32), (1 / deviation).astype(np.float32)

    def _spanning(self, X: Rows) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return least value and 1/range per column or channel: a `_standardisation` to [0, 1]."""
        low, high = self._ranges(X)
        span = np.where(high - low > np.finfo(np.float32).tiny, high - low, 1.0)
        return low.astype(np.float32), (1 / span).astype(np.float32)

    def _ranges(self, X: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return least and largest value per column or channel, within float32, from one pass."""
        low, high = np.full(self.input_shape_[0], np.inf), np.full(self.input_shape_[0], -np.inf)
        for x in self._by_unit(X):
            low, high = np.minimum(low, x.min(axis=(0, 2))), np.maximum(high, x.max(axis=(0, 2)))
        limit = np.finfo(np.float32).max
        return np.clip(low, -limit, limit), np.clip(high, -limit, limit)

    def _by_unit(self, X: Rows) -> Iterator[NDArray[Any]]:
        """Yield all rows, some at a time, with the values of each column or channel together: (b, u, n)."""
        n_units, n_each = self.input_shape_[0], math.prod(self.input_shape_[1:])
        for part in batches(len(X), max(1, _PASS_VALUES // (n_units * n_each))):
            yield self._narrow(np.asarray(X[part])).reshape(-1, n_units, n_each)

    def _narrow(self, x: NDArray[Any]) -> NDArray[Any]:
        """Take rows about the training median, if those were wide: then an offset costs no digits."""
        if not self.standardizes_ or not self._is_wide:
            return x
        with np.errstate(over="ignore"):
            return np.asarray(x - self.reference_)

    def _place_standardisation(self) -> None:
        per_unit = (-1,) + (1,) * (len(self.input_shape_) - 1)
        self._center = torch.from_numpy(self.center_).view(per_unit).to(self.device_)
        self._inverse_scale = torch.from_numpy(self.scale_).view(per_unit).to(self.device_)

    def _standardised(self, x: Tensor) -> Tensor:
        x = x.to(self.device_)
        if not self.standardizes_:
            return x.clamp(-MAX_ABS, MAX_ABS)
        return (x - self._center).mul_(self._inverse_scale).clamp_(-MAX_ABS, MAX_ABS)

    def _autocast(self, *, scoring: bool = False) -> AbstractContextManager[Any]:
        asked = self.precision == "bf16"
        if asked or (not scoring and self.precision == "auto" and self._bf16_pays()):
            return torch.autocast(self.device_, dtype=torch.bfloat16)
        return nullcontext()

    def _bf16_pays(self) -> bool:
        return len(self.input_shape_) == 3 and has_bf16(self.device_)

    # ---------------------------------------------------------------- score

    def _score(self, x: NDArray[Any]) -> NDArray[np.float64]:
        self._check_parameters()  # set after the fit, maybe
        return self._map_batches(x, self._module_score)

    def _module_score(self, x: Tensor) -> Tensor:
        scores: Tensor = self.module_.score(x)  # type: ignore[operator]
        return scores

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the error per pixel, the mean over channels, where the module offers ``squared_error``."""
        module: Any = self.module_
        if not hasattr(module, "squared_error"):
            return None
        return self._map_batches(X, lambda x: module.squared_error(x).mean(dim=1))

    def _map_batches(self, x: Rows, function: Any) -> NDArray[np.float64]:
        """Apply a function of the standardised batch row-wise, without gradients."""
        parts = []
        with torch.inference_mode(), self._autocast(scoring=True):
            for part in batches(len(x), self._rows_at_once()):
                result = function(self._standardised(to_tensor(self._narrow(np.asarray(x[part])))))
                parts.append(result.double().cpu().numpy())
        return np.concatenate(parts)

    def _map_rows(self, X: Rows, rows: NDArray[np.int64], function: Any) -> NDArray[np.float64]:
        """Apply a function as `_map_batches` does to some rows, read a few at a time."""
        return np.concatenate(list(self._mapped_rows(X, rows, function)))

    def _mapped_rows(self, X: Rows, rows: NDArray[np.int64], function: Any) -> Iterator[NDArray[np.float64]]:
        """Yield what `_map_rows` returns, a few rows at a time."""
        for part in batches(len(rows), self._rows_at_once()):
            yield self._map_batches(np.asarray(X[rows[part]]), function)

    # ---------------------------------------------------------------- state

    def _learned_state(self) -> State:
        arrays = {
            f"module.{name}": tensor.cpu().numpy() for name, tensor in self.module_.state_dict().items()
        }
        values = {"standardizes": self.standardizes_}
        return values, arrays | {"center": self.center_, "scale": self.scale_}

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.device_ = resolve_device(self.device)
        self.notes_ = []
        self.standardizes_ = values["standardizes"]
        self.center_, self.scale_ = arrays["center"], arrays["scale"]
        with torch.device("meta"):  # no memory for the sizes a file claims, before they are seen to be true
            self.module_ = self._build_module(self.input_shape_)
        state = {name: torch.from_numpy(array) for name, array in below("module.", arrays).items()}
        self.module_.load_state_dict(state, assign=True)
        self.module_.to(self.device_).eval()
        self._place_standardisation()
        self.history_, self.training_end_ = [], ""
