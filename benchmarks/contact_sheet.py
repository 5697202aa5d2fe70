"""Figure 2 of DUAD: members of clusters by rising variance, known anomalies framed in red.

    DROSS_DATA=DIR python benchmarks/contact_sheet.py PICTURE [--data mnist] [--coverage 0.9] [--every 5]

The draw is that of the paper's Table 4: 4 859 fours and 265 others, or 5 050 airplanes and 450 others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dross.bench.datasets import DATASETS, data_root
from dross.bench.experiments import plan
from dross.clustering.distribution_clustering import DistributionClustering
from dross.report.contact_sheet import contact_sheet

SETTINGS = {
    "mnist": {"normal": 4, "n_normal": 4859, "n_anomalies": 265},
    "cifar10": {"normal": "airplane", "n_normal": 5050, "n_anomalies": 450},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--data", choices=SETTINGS, default="mnist")
    parser.add_argument("--coverage", type=float)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--seed", type=int, default=100)
    arguments = parser.parse_args()
    data = DATASETS[arguments.data].load(data_root())
    task, answers, sentence = plan("counts", SETTINGS[arguments.data], data, arguments.seed).carry_out()
    X = task.train.reshape(len(task.train), -1)
    clustering = DistributionClustering(coverage=arguments.coverage).fit(X)
    images = (task.train * 255).round().astype(np.uint8)
    sheet = contact_sheet(
        images,
        clustering.labels_,
        clustering.cluster_distances_,
        every=arguments.every,
        marked=answers.is_anomaly,
    )
    sheet.save(arguments.picture)
    is_in = clustering.labels_ >= 0
    print(sentence)
    print(
        f"threshold {clustering.threshold_:.3f}: {clustering.n_clusters_} clusters hold {is_in.mean():.1%} "
        f"of the rows; {answers.is_anomaly[is_in].mean():.1%} of these are anomalies."
    )


if __name__ == "__main__":
    main()
