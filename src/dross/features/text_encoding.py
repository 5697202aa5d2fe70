"""A column of free text as a few numbers: TF-IDF, reduced by a truncated SVD."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.extmath import randomized_svd

from dross.features.cells import Cells, strings
from dross.features.encodings import MOST_DEVIATIONS, Encoding, in_quotes

__all__ = ["FreeText"]

_MOST_TOPICS = 4  # more would outvote the other columns; texts alone are read with TextSource
_MOST_WORDS = 20_000
_WORD = re.compile(r"\w\w+")
_MOST_CHARACTERS = 10_000_000
_DOCUMENTS_AT_ONCE = 500
_NAMED_WORDS = 3

Words = list[str]


def _words(document: str) -> Words:
    return _WORD.findall(document.lower())


def _as_they_are(words: Words) -> Words:
    return words


@dataclass
class FreeText(Encoding):
    """Topics, unfamiliarity and length of texts.

    The topics are the first at most 4 singular directions of TF-IDF, centred and divided by the largest
    standard deviation among them, so that the weaker ones stay weaker. The unfamiliarity is the mean inverse
    document frequency of the words, those that fitting met less than twice counting as rarer than any;
    it and the logarithm of the length are standardised. All are learnt from a sample of the texts.

    Attributes
    ----------
    words
        The words known, in the order of ``idf``.
    n_documents
        How many texts the words were counted in.
    idf : ndarray of shape (n_words,)
    directions : ndarray of shape (n_words, k)
    centre, spread : ndarray of shape (k + 2,)
        What is subtracted from topics, unfamiliarity and length, and what they are divided by.
    """

    words: list[str]
    n_documents: int
    idf: NDArray[np.float64]
    directions: NDArray[np.float64]
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]

    role: ClassVar[str] = "text"

    def __post_init__(self) -> None:
        places = {word: j for j, word in enumerate(self.words)}
        self._vectorizer = TfidfVectorizer(vocabulary=places, sublinear_tf=True, analyzer=_as_they_are)
        self._vectorizer.idf_ = self.idf
        self._idf_of = dict(zip(self.words, self.idf.tolist(), strict=True))
        self._idf_of_new = float(np.log1p(self.n_documents)) + 1  # scikit-learn's formula for 0 documents

    @classmethod
    def fit(cls, name: str, rows: int, missing: int, documents: list[str]) -> Self | None:
        """Fit on a sample of the texts; None if no word recurs, so that there is nothing to compare."""
        documents = documents[:: 1 + sum(map(len, documents)) // _MOST_CHARACTERS]
        learner = TfidfVectorizer(
            sublinear_tf=True, min_df=2, max_features=_MOST_WORDS, analyzer=_as_they_are
        )
        try:
            matrix = learner.fit_transform(map(_words, documents))
        except ValueError:  # no word at all, or none that recurs
            return None
        k = min(_MOST_TOPICS, *matrix.shape)
        directions = np.ascontiguousarray(randomized_svd(matrix, n_components=k, random_state=0)[2].T)
        encoding = cls(
            name=name,
            rows=rows,
            missing=missing,
            invalid=0,
            words=list(learner.get_feature_names_out()),
            n_documents=len(documents),
            idf=np.asarray(learner.idf_, dtype=np.float64),
            directions=directions,
            centre=np.zeros(k + 2),
            spread=np.ones(k + 2),
        )
        measured = encoding._measure(documents)
        encoding.centre = measured.mean(axis=0)
        deviations = measured.std(axis=0)
        deviations[:k] = deviations[:k].max()
        encoding.spread = np.where(deviations > 0, deviations, 1.0)
        return encoding

    def _measure(self, documents: Sequence[str]) -> NDArray[np.float64]:
        """Return ``(m, k + 2)``: topics, unfamiliarity, and logarithm of the length."""
        measured = np.empty((len(documents), len(self.centre)))
        for start in range(0, len(documents), _DOCUMENTS_AT_ONCE):  # the lists of words are large
            some = documents[start : start + _DOCUMENTS_AT_ONCE]
            split = [_words(document) for document in some]
            out = measured[start : start + _DOCUMENTS_AT_ONCE]
            out[:, :-2] = self._vectorizer.transform(split) @ self.directions
            out[:, -2] = [self._unfamiliarity(words) for words in split]
            out[:, -1] = np.log1p([len(document) for document in some])
        return measured

    def _unfamiliarity(self, words: Words) -> float:
        if not words:
            return float(self.centre[-2])
        rarities = [self._idf_of.get(word, self._idf_of_new) for word in words]
        return math.fsum(rarities) / len(words)

    @cached_property
    def value_features(self) -> list[str]:
        return [f"topic {j}" for j in range(self.directions.shape[1])] + ["unfamiliarity", "length"]

    def cells(self, column: pa.Array, decimal: str) -> Cells:
        """Return only what is missing: the texts themselves are no numbers."""
        is_missing = np.asarray(strings(column).is_null())
        return Cells(np.where(is_missing, np.nan, 0.0), np.zeros(len(column), dtype=np.bool_))

    def fill_values(self, column: pa.Array, cells: Cells, out: NDArray[np.float32]) -> None:
        documents = pc.fill_null(strings(column), "").to_pylist()
        values = (self._measure(documents) - self.centre) / self.spread
        values = np.clip(values, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        out[:] = np.where(cells.missing[:, None], 0.0, values)

    def value_in_words(self, cell: Any) -> str:
        new = [word for word in dict.fromkeys(_words(str(cell))) if word not in self._idf_of][:_NAMED_WORDS]
        why = f"words hardly seen elsewhere: {', '.join(map(in_quotes, new))}" if new else "unusual text"
        return f"{self.name} = {in_quotes(cell)} ({why})"
