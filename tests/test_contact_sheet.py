"""The contact sheet shows the right images at the right places."""

from __future__ import annotations

import numpy as np

from dross.report.contact_sheet import contact_sheet

LEFT, CELL, TOP = 150, 60, 4


def test_every_second_cluster_by_rising_distance() -> None:
    labels = np.repeat([0, 1, 2, 3, -1], 4)
    images = np.full((20, 1, 8, 8), 0, np.uint8) + (np.arange(20, dtype=np.uint8) * 10)[:, None, None, None]
    distances = np.array([0.4, 0.1, 0.3, 0.2])  # order 1, 3, 2, 0: places 2 and 4 hold 3 and 0
    sheet = np.asarray(contact_sheet(images, labels, distances, every=2, n_members=2))
    assert sheet.shape == (2 * CELL + 4, LEFT + 2 * CELL + 4, 3)
    middles = [[int(sheet[TOP + y * CELL + 28, LEFT + x * CELL + 28, 0]) for x in (0, 1)] for y in (0, 1)]
    assert middles == [[120, 150], [0, 30]]  # first and last member of each


def test_known_anomalies_are_framed() -> None:
    images = np.zeros((4, 3, 8, 8), np.uint8)
    marked = np.array([False, True, False, False])
    sheet = contact_sheet(images, np.zeros(4, int), np.array([0.1]), every=1, n_members=4, marked=marked)
    frames = [sheet.getpixel((LEFT + x * CELL - 1, TOP + 28)) for x in range(4)]
    assert frames == [(255, 255, 255), (220, 40, 40), (255, 255, 255), (255, 255, 255)]


def test_too_few_clusters_make_an_empty_sheet() -> None:
    sheet = contact_sheet(np.zeros((3, 1, 8, 8), np.uint8), np.full(3, -1), np.array([]))
    assert (np.asarray(sheet) == 255).all()
