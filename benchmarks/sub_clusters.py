"""How many sub-clusters are found among images of known classes, and how pure they are.

Sets of 4 classes of MNIST or Fashion-MNIST, and of 12, six of each, are drawn by seed; `ISIF` embeds their
images, `SubClusters` says how many kinds there are. Classes are looked at afterwards only.

    DROSS_DATA=DIR python benchmarks/sub_clusters.py [--seeds 100 101] [--rows 4000] [--epochs 20]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import normalized_mutual_info_score

from common import write
from dross.bench.datasets import DATASETS, data_root
from dross.clustering.sub_clusters import SubClusters
from dross.detectors.isif import ISIF

DATA = ("mnist", "fashion_mnist")


def sets(seed: int, n_rows: int) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[Any]]]:
    """Yield the sets of a seed: a name, images and their classes."""
    loaded = {name: DATASETS[name].load(data_root()) for name in DATA}
    for names, n_classes in (((DATA[0],), 4), ((DATA[1],), 4), (DATA, 6)):
        rng = np.random.default_rng(seed)
        images, classes = [], []
        for name in names:
            data = loaded[name]
            chosen = rng.choice(np.unique(data.labels), n_classes, replace=False)
            rows = rng.permutation(np.flatnonzero(np.isin(data.labels, chosen)))[: n_rows // len(names)]
            images.append(np.asarray(data.rows.take(np.sort(rows))))
            classes += [f"{name} {label}" for label in data.labels[np.sort(rows)]]
        yield (
            f"{n_classes * len(names)} of {' and '.join(names)}",
            np.concatenate(images),
            np.asarray(classes),
        )


def measure(name: str, X: NDArray[np.uint8], classes: NDArray[Any], seed: int, epochs: int) -> dict[str, Any]:
    """Embed, cluster, and compare with the classes."""
    isif = ISIF(max_epochs=epochs, contamination=0.1, random_state=seed).fit(X)
    embedded = isif.embed(X)
    record: dict[str, Any] = {"set": name, "seed": seed, "classes": len(np.unique(classes))}
    for rows, what in ((embedded, "isif"), (X.reshape(len(X), -1) / 255.0, "pixels")):
        found = SubClusters(random_state=seed).fit(rows)
        record[what] = {
            "found": found.n_clusters_,
            "nmi": round(float(normalized_mutual_info_score(classes, found.labels_)), 3),
            "eigenvalues": [round(float(value), 4) for value in found.eigenvalues_],
        }
    return record


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    records = []
    for seed in arguments.seeds:
        for name, X, classes in sets(seed, arguments.rows):
            records.append(measure(name, X, classes, seed, arguments.epochs))
            print(records[-1], flush=True)
    write("sub_clusters", {"rows": arguments.rows, "epochs": arguments.epochs, "sets": records})


if __name__ == "__main__":
    main()
