"""What a measurement hangs on besides its inputs: the code's commit, the hardware, the memory it took."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from functools import cache
from pathlib import Path

__all__ = ["commit", "hardware", "peak_memory", "processor", "reset_peak_memory"]

_PACKAGE = Path(__file__).parents[1]


@cache
def commit() -> str:
    """Return the commit of the library, with a plus sign if it was changed since; "" outside a clone."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=_PACKAGE, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + "+" * bool(git("status", "--porcelain", "."))


@cache
def processor() -> str:
    """Return the processor's name, with its family and model: virtual machines hide the name."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    first = cpuinfo.read_text().partition("\n\n")[0].splitlines()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first)}
    return f"{facts.get('model name')}, family {facts.get('cpu family')} model {facts.get('model')}"


@cache
def hardware(uses_gpu: bool) -> str:
    """Return the cores, and the accelerator if it is used, in words."""
    cores = f"{os.cpu_count()} cores of {processor()}"
    if not uses_gpu:
        return cores
    import torch

    return f"{torch.cuda.get_device_name()}; {cores}"


def reset_peak_memory() -> None:
    """Have Linux count the peak anew, so that it is the next step's and not that of all before it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # elsewhere the peak is that of the process
        return


def peak_memory() -> int:
    """Return the most memory that this process had in use, in MiB.

    Examples
    --------
    >>> peak_memory() > 1
    True
    """
    status = Path("/proc/self/status")
    if status.exists():  # what `resource` tells may be that of the parent
        line = next(ln for ln in status.read_text(encoding="ascii").splitlines() if ln.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) // 1024
