"""What a user sees while a run goes on: a live bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from dross.monitor import Monitor

__all__ = ["BarMonitor", "LineMonitor", "console_monitor", "stopping"]

_LINE_SECONDS = 10.0


class BarMonitor(Monitor):
    """A live bar with the time left."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None

    def stage(self, name: str) -> None:
        """Show the stage; a bar without a known end."""
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(name, total=None, note="")

    def progress(self, epoch: int, n_epochs: int, fraction: float, loss: float) -> None:
        """Show the share of steps done."""
        if self.task is not None:
            note = f"epoch {epoch}/{n_epochs}, loss {loss:.4g}"
            self.bar.update(self.task, total=1.0, completed=fraction, note=note)


class LineMonitor(Monitor):
    """A plain line per stage, and every ten seconds of training."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.started = self.last = time.monotonic()
        self.first: float | None = None  # share done at the first word of it: a resumed run starts late

    def stage(self, name: str) -> None:
        """Print the stage."""
        self.console.print(f"{name} ...", highlight=False)
        self.started = self.last = time.monotonic()
        self.first = None

    def progress(self, epoch: int, n_epochs: int, fraction: float, loss: float) -> None:
        """Print where training is, and how long it will take."""
        now = time.monotonic()
        if self.first is None:
            self.started, self.first = now, fraction
        if now - self.last < _LINE_SECONDS or fraction <= self.first:
            return
        self.last = now
        left = (now - self.started) * (1 - fraction) / (fraction - self.first)
        self.console.print(
            f"epoch {epoch} of {n_epochs}, loss {loss:.4g}, {left:.0f} s left", highlight=False
        )


@contextmanager
def console_monitor(console: Console, *, quiet: bool) -> Iterator[Monitor]:
    """Yield the monitor that fits the console."""
    if quiet:
        yield Monitor()
    elif console.is_terminal:
        monitor = BarMonitor(console)
        with monitor.bar:
            yield monitor
    else:
        yield LineMonitor(console)


@contextmanager
def stopping(monitor: Monitor) -> Iterator[None]:
    """Let Ctrl-C and a polite kill end training after the running step, with a last checkpoint.

    A second signal, or one outside training, interrupts at once.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if not monitor.training or monitor.stop_requested:
            raise KeyboardInterrupt
        monitor.stop_requested = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
