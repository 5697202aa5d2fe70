"""The one training loop, and how it is cut short and taken up again."""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dross.errors import InputError, TrainingError
from dross.features.base import below
from dross.rows import Rows
from dross.tensors import row_taker

if TYPE_CHECKING:
    from dross.deep import DeepDetector

__all__ = ["Training", "default_epochs"]

_LIGHT_STEP = 50_000_000  # weights times rows
_CHECKPOINT_SECONDS = 30.0
_PROGRESS_SECONDS = 0.2
_DEFAULT_STEPS = 8_000
_MAX_DEFAULT_EPOCHS = 200


def default_epochs(n_steps: int) -> int:
    """Return how many epochs of so many steps are trained where nobody says."""
    return min(_MAX_DEFAULT_EPOCHS, math.ceil(_DEFAULT_STEPS / n_steps))


class Training:
    """One run of the training loop: where it is, and how that is saved and taken up again.

    A detector that asks for it goes on with the weights of its last good epoch when training goes wrong.

    The order of rows is drawn anew each epoch from (seed, epoch), and the generator that dropout and the
    like draw from is part of the checkpoint, so that a resumed run takes the very same steps.
    """

    def __init__(self, detector: DeepDetector, X: Rows) -> None:
        self.detector = detector
        self.monitor = detector._monitor
        self.module = detector.module_
        self.X = X
        self.take = row_taker(X, detector._narrow)
        self._learn_from(None)
        # A light step is too little work to share: threads would mostly wait for each other.
        n_weights = sum(parameter.numel() for parameter in self.module.parameters())
        self.is_light = len(detector.input_shape_) == 1 and n_weights * self.batch_size < _LIGHT_STEP
        self.n_epochs = detector.max_epochs or default_epochs(self.n_steps)
        self.optimizers = detector._configure_optimizers()
        self.epoch, self.step = 0, 0
        self.is_over = False
        self.good: dict[str, Tensor] = {}
        self.has_failed = False
        self.selection: dict[str, float] = {}
        self.loss_sum = torch.zeros((), device=detector.device_)
        self.history: list[dict[str, float]] = []
        self.last_save = self.last_progress = time.monotonic()

    def train(self) -> None:
        """Train to the last epoch, or until the detector has learnt enough or selects the same rows again."""
        while self.epoch < self.n_epochs and not self.is_over and not self.has_failed:
            if self.step == 0:
                self._select_rows()
            if not self.is_over:
                self._train_epoch()

    def end(self) -> str:
        """Say in words when training ended, and why."""
        after = f"Training ended after {self.epoch} of {self.n_epochs} epochs"
        if self.has_failed:
            return f"{after}: it went wrong."
        if not self.is_over:
            return f"{after}."
        return f"{after}: {'the same rows were selected twice' if self.selection else 'enough was learnt'}."

    def _select_rows(self) -> None:
        self.module.eval()
        rows = self.detector._select_rows(self.X, self.epoch)
        if rows is None:
            return
        before = np.arange(len(self.X)) if self.rows is None else self.rows.numpy()
        changed = len(np.setxor1d(rows, before, assume_unique=True))
        self.selection = {"selected": len(rows), "changed": changed}
        self.is_over = self.epoch > 0 and changed == 0
        if self.is_over:
            self.history[-1] |= self.selection
        self._learn_from(rows)

    def _learn_from(self, rows: NDArray[np.int64] | None) -> None:
        """Take these rows, or all, from here on."""
        self.detector.training_rows_ = rows
        self.rows: Tensor | None = None if rows is None else torch.from_numpy(rows)
        self.n_rows = len(self.X) if self.rows is None else len(self.rows)
        self.batch_size = self.detector._rows_per_step(self.n_rows)
        self.n_steps = math.ceil(self.n_rows / self.batch_size)
        if self.n_steps > 1 and self.n_rows % self.batch_size == 1:
            self.n_steps -= 1  # a last batch of one row joins its neighbour: batch norm needs two

    def _train_epoch(self) -> None:
        """Take the steps of one epoch that are still to be taken."""
        self.module.train()
        seed = (self.detector.seed_ * 1_000_003 + self.epoch) % 2**63
        order = torch.randperm(self.n_rows, generator=torch.Generator().manual_seed(seed))
        if self.rows is not None:
            order = self.rows[order]
        if self.step == 0:
            torch.manual_seed(seed)
        self._set_learning_rates()
        while self.step < self.n_steps:
            start = self.step * self.batch_size
            end = len(order) if self.step == self.n_steps - 1 else start + self.batch_size
            # In rising order a file is read in one direction, and sums do not depend on where rows come from.
            self.loss_sum += self._step(order[start:end].sort().values)
            self.step += 1
            self._look_up()
        self._end_epoch()

    def _set_learning_rates(self) -> None:
        factor = self.detector._lr_factor(self.epoch, self.n_epochs)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = factor * group["initial_lr"]

    def _step(self, rows: Tensor) -> Tensor:
        x = self.detector._standardised(self.take(rows))
        self.detector.share_trained_ = (self.epoch + self.step / self.n_steps) / self.n_epochs
        return self.detector._training_step(x, rows, self.optimizers)

    def _look_up(self) -> None:
        """Between two steps: report, keep a checkpoint, stop if asked to."""
        now = time.monotonic()
        if now - self.last_progress > _PROGRESS_SECONDS:
            self.last_progress = now
            done = (self.epoch + self.step / self.n_steps) / self.n_epochs
            self.monitor.progress(self.epoch + 1, self.n_epochs, done, float(self.loss_sum) / self.step)
        if self.monitor.stop_requested:
            self.save()
            raise KeyboardInterrupt
        if now - self.last_save > _CHECKPOINT_SECONDS:
            self.save()

    def _end_epoch(self) -> None:
        loss = float(self.loss_sum) / self.n_steps
        entry = {"epoch": self.epoch + 1, "loss": loss} | self.selection | self.detector._on_epoch_end()
        trouble = f"the loss became {loss}" if not math.isfinite(loss) else self.detector._trouble(entry)
        if trouble:
            self._fall_back(trouble)
            return
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum.zero_()
        self.history.append(entry)
        self.is_over = self.detector._has_learnt_enough(entry)
        if self.detector.keeps_good_state:
            self.good = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        self.selection = {}
        if self.detector.verbose:
            _log_epoch(self.detector, self.epoch, self.n_epochs, loss)
        n_epochs = self.epoch if self.is_over else self.n_epochs  # an early end is an end
        self.monitor.progress(self.epoch, n_epochs, self.epoch / n_epochs, loss)
        # An epoch of milliseconds is not worth a write to disk each.
        if self.epoch < self.n_epochs and not self.is_over and time.monotonic() - self.last_save > 1:
            self.save()

    def _fall_back(self, trouble: str) -> None:
        """End training with the weights of the last good epoch, and say so; raise if there is none."""
        where = f"in epoch {self.epoch + 1}{self.detector._stage()}"
        if not self.good:
            raise TrainingError(
                f"Training of {type(self.detector).__name__} failed {where}: {trouble} with "
                f"lr={self.detector.lr:g}; try a smaller lr."
            )
        self.module.load_state_dict(self.good)
        self.has_failed = True
        note = f"Training ended {where}: {trouble}. The scores are those of epoch {self.epoch}."
        self.detector.notes_.append(note)
        logging.getLogger(__name__).warning("%s: %s", type(self.detector).__name__, note)

    def save(self) -> None:
        """Keep the whole state of the run in the monitor's checkpoint, if it has one."""
        self.last_save = time.monotonic()
        if self.monitor.checkpoint is None:
            return
        arrays = {f"module.{name}": tensor for name, tensor in self.module.state_dict().items()}
        for number, optimizer in enumerate(self.optimizers):
            for index, moments in optimizer.state_dict()["state"].items():
                arrays |= {f"optimizer.{number}.{index}.{name}": tensor for name, tensor in moments.items()}
        arrays |= {f"good.{name}": tensor for name, tensor in self.good.items()}
        arrays |= {"rng": torch.get_rng_state(), "loss_sum": self.loss_sum}
        if self.rows is not None:
            arrays["rows"] = self.rows
        if self.detector.device_ == "cuda":
            arrays["rng_cuda"] = torch.cuda.get_rng_state()
        values = {name: getattr(self, name) for name in ("epoch", "step", "history", "selection")}
        values["bf16"] = self.detector._trains_in_bf16
        self.monitor.checkpoint.save(
            values, {name: tensor.cpu().contiguous().numpy() for name, tensor in arrays.items()}
        )

    def restore(self) -> None:
        """Go on from the monitor's checkpoint, if there is one and it is wanted."""
        checkpoint = self.monitor.checkpoint
        if checkpoint is None or not self.monitor.resume or (saved := checkpoint.load()) is None:
            return
        values, arrays = saved
        if values.get("bf16") != self.detector._trains_in_bf16:  # other steps, and moments laid out otherwise
            made, here = ("bf16", "float32") if values.get("bf16") else ("float32", "bf16")
            raise InputError(
                f"The checkpoint was made where training computes in {made}, here it computes in {here}; run "
                "without --resume to start anew."
            )
        for name in ("epoch", "step", "history", "selection"):
            setattr(self, name, values[name])
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        torch.set_rng_state(tensors["rng"])
        if "rng_cuda" in tensors and self.detector.device_ == "cuda":
            torch.cuda.set_rng_state(tensors["rng_cuda"])
        self.loss_sum.copy_(tensors["loss_sum"])
        self._learn_from(arrays.get("rows"))
        self.module.load_state_dict(below("module.", tensors))
        self.good = below("good.", tensors)
        for number, optimizer in enumerate(self.optimizers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, tensor in below(f"optimizer.{number}.", tensors).items():
                index, _, moment = name.partition(".")
                moments.setdefault(int(index), {})[moment] = tensor
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": moments, "param_groups": groups})
        checkpoint.mark_resumed(self.epoch)


def _log_epoch(detector: DeepDetector, epoch: int, n_epochs: int, loss: float) -> None:
    name = type(detector).__name__
    logging.getLogger(__name__).info("%s: epoch %d of %d, loss %.4g", name, epoch, n_epochs, loss)
