"""20 Newsgroups, the version split by date: 18 846 posts, labels = group.

Headers are cut off: their line "Newsgroups:" is the label. Quotes and footers are kept.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from dross.bench.datasets.base import Data, Dataset, Layout, TextRows
from dross.bench.datasets.files import read_tree

__all__ = ["NEWSGROUPS"]

_SPLITS = ("20news-bydate-train", "20news-bydate-test")


def _read(paths: tuple[str, ...], place: Path) -> Data:
    posts = []
    for path in paths:
        tree = read_tree(place / path, lambda name: True)
        for name, content in zip(tree.names, tree.contents, strict=True):
            parts = f"{path}/{name}".split("/")
            if len(parts) >= 3 and parts[-3] in _SPLITS:
                posts.append((parts[-3] == _SPLITS[1], parts[-2], parts[-1], _body(content)))
    posts.sort(key=lambda post: post[:3])
    return Data(
        rows=TextRows([post[3] for post in posts]),
        labels=np.array([post[1] for post in posts], dtype=np.str_),
        is_test=np.array([post[0] for post in posts], dtype=np.bool_),
    )


def _body(content: bytes) -> str:
    return content.decode("latin-1").partition("\n\n")[2]


NEWSGROUPS = Dataset(
    name="20news",
    title="20 Newsgroups",
    kind="text",
    layouts=(
        *(Layout((name,), partial(_read, (name,))) for name in ("20news-bydate.tar.gz", "20news.tar.gz")),
        Layout(
            tuple(f"{split}/" for split in _SPLITS), partial(_read, _SPLITS), ("", "20news", "20news-bydate")
        ),
    ),
    source="http://qwone.com/~jason/20Newsgroups/",
    licence="not stated",
)
