"""``dross demo``: the main job on real data that comes with scikit-learn, made as messy as data is."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_breast_cancer, load_digits

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
    print(
        f"A messy table, {table}: 357 benign cases of the breast-cancer data, 20 malignant ones among them."
    )
    _find(
        table, out / "patients-result", label_column="diagnosis", anomaly_value="malignant", id_column="case"
    )
    print(f"\nA folder of pictures, {pictures}: 177 zeros of the digits data, 9 other digits among them.")
    _find(pictures, out / "digits-result")


def _find(path: Path, out: Path, **options: str) -> None:
    shared = {"contamination": "auto", "top": 10, "random_state": 0}
    names = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in options.items())
    command = f"dross find {path} --out {out} --top 10 {names}".rstrip()
    print(f"$ {command}")
    request = FindRequest(str(path), out, command, resume=False, force=True, as_json=False, quiet=False)
    run_find(request, {**shared, **options}, [])


def make_messy_table(path: Path) -> None:
    """Write the benign cases and 20 malignant ones with text, date, missing and constant columns."""
    data = load_breast_cancer()
    rng = np.random.default_rng(0)
    malignant = rng.choice(np.flatnonzero(data.target == 0), 20, replace=False)
    rows = rng.permutation(np.concatenate([np.flatnonzero(data.target == 1), malignant]))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "seen", "ward", "note", "hospital", *data.feature_names, "diagnosis"])
        for row in rows:
            seen = np.datetime64("2024-01-08T08:00") + rng.integers(0, 180 * 24 * 4) * np.timedelta64(15, "m")
            cells = [f"{value:.6g}" if rng.random() > 0.02 else "" for value in data.data[row]]
            ward = rng.choice(["north", "south", "day clinic"], p=[0.5, 0.4, 0.1])
            note = f"{rng.choice(_NOTES)}, {rng.choice(_NOTES)}"
            writer.writerow(
                [f"C{row:03d}", seen, ward, note, "St Mary", *cells, data.target_names[data.target[row]]]
            )


def make_picture_folder(folder: Path) -> None:
    """Write the zeros among the digits as PNG files, nine other digits among them."""
    data = load_digits()
    rng = np.random.default_rng(0)
    others = rng.choice(np.flatnonzero(data.target != 0), 9, replace=False)
    folder.mkdir(exist_ok=True)
    for row in np.concatenate([np.flatnonzero(data.target == 0)[:177], others]):
        image = Image.fromarray((data.images[row] * (255 / 16)).astype(np.uint8))
        image.resize((32, 32), Image.Resampling.BILINEAR).save(folder / f"{row:04d}.png")
