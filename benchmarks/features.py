"""Which features rank better on development draws, and how fast a pretrained encoder is fed.

Labels make the draws and the metrics, they reach no fit. Seeds start at 100.

    python benchmarks/features.py choices      # raw against NetVLAD, TF-IDF against a text encoder
    python benchmarks/features.py throughput   # decoding and encoding against the encoder alone; the cache
    python benchmarks/features.py              # rewrites the table of docs/choices.md
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import roc_auc_score

from choices import draw
from common import HERE, ratio, write
from dross import registry
from dross.bench.datasets import DATASETS, data_root
from dross.features.at_hand import text_encoder
from dross.features.base import Features
from dross.features.named import build_features
from dross.features.netvlad import NetVLAD
from dross.features.pretrained import Pretrained
from dross.sources import open_source
from dross.sources.base import ReadOptions, Source

DETECTORS = ("isolation_forest", "knn", "lof", "pca", "ocsvm", "kde")
IMAGES = {
    "mnist": (4, 9),
    "fashion_mnist": (0, 5),
    "cifar10": ("automobile", "ship"),
    "caltech101": ("Leopards", "watch"),
    "cats_dogs": ("dog",),
}
TEXTS = {"20news": ("sci.space", "rec.autos", "talk.politics.guns"), "reuters": ("acq", "crude")}
SEED, SHARE, N_IMAGES, N_TEXTS, SIDE = 100, 0.1, 600, 300, 64
PAGE = HERE.parent / "docs" / "choices.md"


def cells() -> Iterator[tuple[str, Source, NDArray[np.bool_]]]:
    """Yield the name of a draw, the rows, and which are anomalies."""
    for name, kinds in (IMAGES | TEXTS).items():
        data = DATASETS[name].load(data_root())
        for kind in kinds:
            n = N_TEXTS if name in TEXTS else N_IMAGES
            normal, others = np.flatnonzero(data.labels == kind), np.flatnonzero(data.labels != kind)
            rows, is_anomaly = draw(normal, others, SHARE, n, SEED)
            taken = data.rows.take(rows)
            if name in TEXTS:
                table = pa.table({"text": [text if text.strip() else "-" for text in taken]})
                source = open_source(table, ReadOptions(text_column="text"))
            else:
                size = SIDE if max(taken.shape[2:]) > SIDE else None
                source = open_source(taken, ReadOptions(image_size=size))
            yield f"{name} {kind}", source, is_anomaly


def features_of(family: str) -> dict[str, Features]:
    """Return what is tried on a kind of data."""
    raw = {"raw": build_features("raw", family, random_state=0)}
    if family == "text":
        return raw | {"pretrained": Pretrained(model=str(text_encoder()))}
    return raw | {"netvlad": NetVLAD(), "netvlad, published": NetVLAD(published=True)}


def choices() -> None:
    """Measure every detector on raw and on other features of the same rows."""
    found = []
    for name, source, is_anomaly in cells():
        for label, features in features_of(source.family).items():
            began = perf_counter()
            X = features.fit(source).transform(source)
            seconds = round(perf_counter() - began, 1)
            row: dict[str, Any] = {"cell": name, "features": label, "seconds": seconds}
            for detector in DETECTORS:
                own = {"held_out": False} if detector == "ocsvm" else {}
                fitted = registry.get(detector)(random_state=0, contamination=0.1, **own).fit(X)
                row[detector] = round(float(roc_auc_score(is_anomaly, fitted.anomaly_scores_)), 4)
            found.append(row)
            print(row, flush=True)
    write("features", {"share": SHARE, "rows": found}, SEED)


def throughput(n: int = 384, rounds: int = 3) -> None:
    """Measure a ViT-S/16 of random weights on JPEGs of 128 pixels: alone, fed from files, from the cache."""
    from transformers import ViTConfig, ViTModel

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["DROSS_CACHE"] = str(folder / "cache")
        size = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536, "image_size": 128}
        ViTModel(ViTConfig(num_hidden_layers=12, **size)).save_pretrained(folder / "vit")
        preparation = {"size": {"height": 128, "width": 128}}
        (folder / "vit" / "preprocessor_config.json").write_text(json.dumps(preparation))
        (folder / "images").mkdir()
        for number in range(n):
            noise = Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).resize((128, 128))
            noise.save(folder / "images" / f"{number:04d}.jpg", quality=90)
        source = open_source(folder / "images")
        features = Pretrained(model=str(folder / "vit")).fit(source)
        every = np.arange(n)
        inputs = list(features.image_batches(source, every))  # type: ignore[arg-type]
        features._images.vectors(inputs[0])
        alone, fed, cached = [], [], []
        for turn in range(rounds):
            alone.append(_seconds(lambda: [features._images.vectors(x) for x in inputs]))
            fed.append(_seconds(lambda: list(features._encoded(source, every))))
            os.environ["DROSS_CACHE"] = str(folder / f"cache-{turn}")
            first = _seconds(lambda: Pretrained(model=str(folder / "vit")).fit(source).transform(source))
            again = _seconds(lambda: Pretrained(model=str(folder / "vit")).fit(source).transform(source))
            cached.append((first, again))
    firsts, agains = zip(*cached, strict=True)
    values = {
        "images": n,
        "threads": torch.get_num_threads(),
        "bf16": features._images.is_bf16,
        "images_a_second_alone": round(n / float(np.median(alone)), 1),
        "images_a_second_from_files": round(n / float(np.median(fed)), 1),
        "rate_of_the_encoder_alone": ratio(alone, fed),
        "second_run_faster_by": ratio(firsts, agains),
    }
    write("features_throughput", values, 0)


def _seconds(call: Any) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


def write_page() -> None:
    """Put the table of the committed results between the marks in docs/choices.md."""
    stored = json.loads((HERE / "results" / "features.json").read_text(encoding="utf-8"))["values"]["rows"]
    rows = pd.DataFrame(stored).set_index(["cell", "features"])[list(DETECTORS)]
    lines = [f"| draw | features | {' | '.join(DETECTORS)} |", "| --- | --- |" + " ---: |" * len(DETECTORS)]
    for (cell, features), values in rows.iterrows():
        lines.append(f"| {cell} | {features} | {' | '.join(f'{v:.3f}' for v in values)} |")
    is_text = rows.index.get_level_values(0).str.startswith(tuple(TEXTS))
    for family, part in (("images", rows[~is_text]), ("texts", rows[is_text])):
        for features, values in part.groupby(level="features", sort=False).mean().iterrows():
            numbers = " | ".join(f"{v:.3f}" for v in values)
            lines.append(f"| **mean of {family}** | {features} | {numbers} |")
    page = PAGE.read_text(encoding="utf-8")
    head, begin, rest = page.partition("<!-- features -->")
    tail = rest.partition("<!-- end of features -->")
    PAGE.write_text(head + begin + "\n" + "\n".join(lines) + "\n" + tail[1] + tail[2], encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", choices=("choices", "throughput"))
    part = parser.parse_args().part
    if part is None:
        write_page()
    elif part == "choices":
        choices()
    else:
        throughput()


if __name__ == "__main__":
    main()
