"""What a long fit tells while it runs, and where it keeps its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dross.checkpoint import Checkpoint

__all__ = ["Monitor"]


@dataclass
class Monitor:
    """Receives progress; this base tells nobody.

    Parameters
    ----------
    checkpoint
        Where training keeps its state, None to keep none.
    resume
        Go on from the checkpoint if there is one.

    Attributes
    ----------
    training : bool
        Whether a training loop is running, which looks at ``stop_requested`` after every step.
    stop_requested : bool
        Set it to end training after the current step, with a last checkpoint and a KeyboardInterrupt.
    """

    checkpoint: Checkpoint | None = None
    resume: bool = False
    training: bool = field(default=False, init=False)
    stop_requested: bool = field(default=False, init=False)

    def stage(self, name: str) -> None:
        """Note that a stage begins ("reading", "fitting", ...)."""

    def progress(self, epoch: int, n_epochs: int, fraction: float, loss: float) -> None:
        """Note how far training is: the epoch running (from 1), and the share of all steps done."""
