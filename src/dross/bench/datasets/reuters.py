"""Reuters-21578: news of 1987, labels = topic.

Taken are the documents with exactly one topic, of the five largest such topics: earn 3 945, acq 2 362,
crude 408, trade 361, money-fx 307, in all 7 383 documents, split or no split, as for RSRAE, which draws 360
of each class (of the two smallest, all there are). The text is the title and the body; of a document without
them (a table sent as it was), all of its text. Entities are decoded; the character codes of the news wire
are dropped.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dross.bench.datasets.base import Data, Dataset, Layout, TextRows
from dross.bench.datasets.files import FileContents, read_tree
from dross.errors import InputError

__all__ = ["REUTERS"]

_N_TOPICS = 5
_DOCUMENT = re.compile(r"<REUTERS\b.*?</REUTERS>", re.DOTALL)
_TOPICS = re.compile(r"<TOPICS>(.*?)</TOPICS>", re.DOTALL)
_TOPIC = re.compile(r"<D>(.*?)</D>", re.DOTALL)
_TEXT = re.compile(r"<TEXT\b[^>]*>(.*?)</TEXT>", re.DOTALL)
_PARTS = re.compile(r"<(TITLE|BODY)>(.*?)</\1>", re.DOTALL)
_TAG = re.compile(r"</?[A-Z]+>")


def _read_archive(place: Path) -> Data:
    path = place / "reuters21578.tar.gz"
    return _data(read_tree(path, lambda name: name.endswith(".sgm")).contents, path)


def _read_folder(place: Path) -> Data:
    names = sorted(path.name for path in place.glob("reut2-*.sgm"))
    return _data(FileContents(place, names), place)


def _data(contents: Iterable[bytes], path: Path) -> Data:
    topics, texts = [], []
    for content in contents:
        for document in _DOCUMENT.findall(content.decode("latin-1")):
            topic, text = _single_topic(document), _text(document)
            if topic and text:
                topics.append(topic)
                texts.append(text)
    if not topics:
        raise InputError(
            f"{path} has no document with one topic; needed are the files reut2-000.sgm to -021.sgm."
        )
    largest = {topic for topic, _ in Counter(topics).most_common(_N_TOPICS)}
    kept = [i for i, topic in enumerate(topics) if topic in largest]
    return Data(TextRows([texts[i] for i in kept]), np.array([topics[i] for i in kept]))


def _single_topic(document: str) -> str | None:
    block = _TOPICS.search(document)
    topics = _TOPIC.findall(block[1]) if block else []
    return str(topics[0]) if len(topics) == 1 else None


def _text(document: str) -> str:
    block = _TEXT.search(document)
    if block is None:
        return ""
    parts = [part for _, part in _PARTS.findall(block[1])] or [_TAG.sub(" ", block[1])]
    return "\n".join(html.unescape(part).strip() for part in parts).strip()


REUTERS = Dataset(
    name="reuters",
    title="Reuters-21578",
    kind="text",
    layouts=(
        Layout(("reuters21578.tar.gz",), _read_archive),
        Layout(("reut2-000.sgm",), _read_folder, ("reuters21578", "reuters")),
    ),
    source="http://www.daviddlewis.com/resources/testcollections/reuters21578/",
    licence="free for research only (Reuters Ltd.)",
)
