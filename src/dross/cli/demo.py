"""``dross demo``: the main job on real data that comes with scikit-learn, made as messy as data is."""

from __future__ import annotations

import csv
import shlex
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

from dross import pipeline
from dross.cli.find import FindRequest, run_find

__all__ = ["make_messy_table", "make_picture_folder", "run_demo"]

_NOTES = (
    "routine check, nothing to add",
    "sample taken twice",
    "see earlier letter",
    "patient moved, new address",
)


def run_demo(out: Path) -> None:
    """Make a table and a folder of pictures, find what does not belong in both, say where the reports are."""
    out.mkdir(parents=True, exist_ok=True)
    table, pictures = out / "patients.csv", out / "digits"
    make_messy_table(table)
    make_picture_folder(pictures)
    print(f"{table}: 357 benign cases of the breast-cancer data, ten of them with lost decimal points,")
    print("and ten malignant cases; a text, a date, a constant column, and missing cells.")
    _find(table, out / "patients-result", id_column="case", label_column="truth", anomaly_value="wrong")
    print(f"\n{pictures}: pictures of 177 zeros of the digits data, and of nine other digits.")
    _find(pictures, out / "digits-result")


def _find(
    path: Path,
    out: Path,
    *,
    id_column: str | None = None,
    label_column: str | None = None,
    anomaly_value: str | None = None,
) -> None:
    columns = {"--id-column": id_column, "--label-column": label_column, "--anomaly-value": anomaly_value}
    given = [word for option, value in columns.items() if value for word in (option, value)]
    command = shlex.join(["dross", "find", str(path), "--out", str(out), "--top", "10", *given])
    print(f"$ {command}")
    request = FindRequest(str(path), out, command, resume=False, force=True, as_json=False, quiet=False)
    job = partial(
        pipeline.find,
        path,
        id_column=id_column,
        label_column=label_column,
        anomaly_value=anomaly_value,
        top=10,
    )
    run_find(request, job)


def make_messy_table(path: Path) -> None:
    """Write benign cases with text, date, missing and constant columns, and 20 rows that do not belong.

    Ten are malignant cases, ten are benign ones with the decimal point lost in one to three cells.
    """
    data = load_breast_cancer()
    rng = np.random.default_rng(0)
    benign = np.flatnonzero(data.target == 1)
    malignant = rng.choice(np.flatnonzero(data.target == 0), 10, replace=False)
    slipped = set(rng.choice(benign, 10, replace=False).tolist())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "seen", "ward", "note", "hospital", *data.feature_names, "truth"])
        for row in rng.permutation(np.concatenate([benign, malignant])).tolist():
            values = data.data[row].copy()
            if row in slipped:
                values[rng.choice(len(values), rng.integers(1, 4), replace=False)] *= 100
            cells = [f"{value:.6g}" if rng.random() > 0.02 else "" for value in values]
            seen = np.datetime64("2024-01-08T08:00") + rng.integers(0, 180 * 24 * 4) * np.timedelta64(15, "m")
            ward = rng.choice(["north", "south", "day clinic"], p=[0.5, 0.4, 0.1])
            note = f"{rng.choice(_NOTES)}, {rng.choice(_NOTES)}"
            truth = "ok" if data.target[row] == 1 and row not in slipped else "wrong"
            writer.writerow([f"C{row:03d}", seen, ward, note, "St Mary", *cells, truth])


def make_picture_folder(folder: Path) -> None:
    """Write the zeros among the digits as PNG files, nine other digits among them."""
    data = load_digits()
    rng = np.random.default_rng(0)
    others = rng.choice(np.flatnonzero(data.target != 0), 9, replace=False)
    folder.mkdir(exist_ok=True)
    for row in np.concatenate([np.flatnonzero(data.target == 0)[:177], others]):
        image = Image.fromarray((data.images[row] * (255 / 16)).astype(np.uint8))
        image.resize((32, 32), Image.Resampling.BILINEAR).save(folder / f"{row:04d}.png")
