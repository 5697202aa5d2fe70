"""A CSV of a million rows through `dross find`, files included: peak memory, and how time grows.

    python benchmarks/table_memory.py [--folder DIR] [--rows 1000 100000 1000000]

Each size runs in a fresh process, which imports everything first: what it needs beyond that is compared with
the float32 matrix of the rows. The growth is the exponent between the last two sizes, of the seconds less
those of the first. Then `KNN`, `LOF`, `KDE` and `OCSVM`: seconds to fit and score 100 000 of the rows.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from common import write
from dross.bench import machine

SEED = 0
COLUMNS = 30
PART = 100_000
KEEPING_ROWS = ("knn", "lof", "kde", "ocsvm")


def make_csv(path: Path, n: int) -> None:
    """Write Gaussian rows, 0.5 % of them uniform on [-10, 10]."""
    rng = np.random.default_rng(SEED)
    with path.open("wb") as file:
        for start in range(0, n, PART):
            x = rng.normal(size=(min(PART, n - start), COLUMNS))
            wild = rng.random(len(x)) < 0.005
            x[wild] = rng.uniform(-10, 10, size=(wild.sum(), COLUMNS))
            table = pa.table({f"c{j}": x[:, j].round(6) for j in range(COLUMNS)})
            pacsv.write_csv(table, file, pacsv.WriteOptions(include_header=start == 0))


def measure_find(path: Path) -> dict[str, Any]:
    """Run the main job in this process and return what it took."""
    with tempfile.TemporaryDirectory() as folder:
        import dross

        start = path.parent / "start.csv"
        make_csv(start, 200)
        dross.find(start).save(Path(folder) / "start")  # imports all that a run imports
        before, wall, cpu = machine.peak_memory(), perf_counter(), process_time()
        findings = dross.find(path)
        findings.save(Path(folder) / "out")
        return {
            "seconds": round(perf_counter() - wall, 2),
            "processor_seconds": round(process_time() - cpu, 2),
            "peak_mib_beyond_imports": round(machine.peak_memory() - before, 1),
            "detector": findings.detector,
            "flagged": int(findings.labels.sum()),
            "stages": findings.summary["seconds"],
        }


def measure_detector(name: str) -> dict[str, Any]:
    """Fit a detector on 100 000 rows, which scores them too."""
    from dross import registry

    X = np.random.default_rng(SEED).normal(size=(PART, COLUMNS)).astype(np.float32)
    wall, cpu = perf_counter(), process_time()
    build: Any = registry.get(name)
    build(random_state=SEED).fit(X)
    return {"seconds": round(perf_counter() - wall, 1), "processor_seconds": round(process_time() - cpu, 1)}


def alone(*arguments: str) -> dict[str, Any]:
    """Run a measurement in a fresh process."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def exponent(runs: dict[int, dict[str, Any]], key: str) -> float:
    few, some, many = sorted(runs)
    gain = (runs[many][key] - runs[few][key]) / (runs[some][key] - runs[few][key])
    return round(math.log(gain) / math.log(many / some), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, nargs=3, default=(1_000, 100_000, 1_000_000))
    parser.add_argument("--find", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--detector", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.find:
        print(json.dumps(measure_find(arguments.find)))
        return
    if arguments.detector:
        print(json.dumps(measure_detector(arguments.detector)))
        return
    runs = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for n in arguments.rows:
            path = Path(folder) / f"{n}.csv"
            make_csv(path, n)
            runs[n] = alone("--find", str(path))
    most = max(runs)
    matrix_mib = most * COLUMNS * 4 / 2**20
    values = {
        "columns": COLUMNS,
        "runs": runs,
        "peak_in_matrices": round(runs[most]["peak_mib_beyond_imports"] / matrix_mib, 2),
        "growth_exponent": exponent(runs, "seconds"),
        "growth_exponent_processor": exponent(runs, "processor_seconds"),
        "keeping_rows_100_000": {name: alone("--detector", name) for name in KEEPING_ROWS},
    }
    write("table_memory", values, SEED)


if __name__ == "__main__":
    main()
