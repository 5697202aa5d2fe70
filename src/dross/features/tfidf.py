"""Texts as numbers: what is left of their TF-IDF vectors once the corpus' common directions are taken out."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.extmath import randomized_svd

from dross.errors import ModelFileError
from dross.features.base import Explanations, Features, State, check_enough, refuse_equal
from dross.sources.base import RowSource, Source
from dross.sources.text import TextSource

if TYPE_CHECKING:
    from dross.base import BaseDetector

__all__ = ["TfidfFeatures"]

_FIT_TEXTS = 10_000
_MOST_TERMS = 30_000
_MOST_DIRECTIONS = 128
_TEXTS_PER_DIRECTION = 12
_MOST_REQUIRED = 5
_LEAST_PREVALENCE = 0.1
_LEAST_KNOWN_SHARE = 0.3
_DIMENSIONS = 128
_ENTRIES = 8
_CHUNK = 1024
_TRIED_TERMS = 40
_NAMED_TERMS = 5
_WEAKEST_TERM = 0.5  # of the strongest: less is noise
_NO_TERM = ""


class TfidfFeatures(Features):
    """The part of each text that the corpus does not explain, in 128 dimensions.

    Each text is a TF-IDF vector of unit length (words, sublinear counts). A truncated SVD finds the
    directions that the texts have in common; those that at least a tenth of the texts share are taken out.
    The rest of each vector is sketched into 128 dimensions by a fixed hash, and brought to the exact length
    of that rest. Usual texts so come to lie near the origin, and texts on other matters far from it and from
    each other, which is where distances, densities, trees and reconstructions all look. (In the SVD's own
    coordinates it is the other way round: what the corpus does not know is projected near the origin, amid
    everything else. docs/choices.md has the numbers.)

    Terms that too few texts have, and terms first seen when scoring, have the weight of a term seen once and
    a direction of their own, by their hash. A text without any word counts as having one special term.

    **Contamination**: a direction carried by less than a tenth of the texts is left in, so that a group of
    anomalies does not become part of what is common. A larger group does.

    If words are mostly unique (Chinese or Japanese, codes, symbols), the terms are sequences of one to three
    characters instead.

    Attributes
    ----------
    terms : list of str
        Known terms.
    idf : ndarray of shape (n_terms + 1,)
        Their weights, and that of any other term.
    projection : ndarray of shape (n_terms, n_directions + 128)
        Each known term's share in the common directions, and the sketch of what is left of it.
    n_directions : int
        Common directions taken out.
    analyzer : {"word", "char"}
        What a term is.
    """

    def __init__(self) -> None:
        self.feature_owner = ["terms"] * _DIMENSIONS
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}
        self.analyzer = "word"
        self.terms: list[str] = []
        self.idf: NDArray[np.float64] = np.ones(1)
        self.projection: NDArray[np.float32] = np.zeros((0, _DIMENSIONS), np.float32)
        self.n_directions = 0
        self._number: dict[str, int] = {}

    def fit(self, source: Source) -> Self:
        """Learn terms and common directions, from at most 10 000 texts at even distances.

        Raises
        ------
        InputError
            Fewer than 5 texts, or all of them are equal.
        """
        n = len(source)
        check_enough(source, "texts")
        self.notes, self.analyzer = [], "word"
        step = -(-n // _FIT_TEXTS)
        documents = list(islice(cast("TextSource", source).documents(), 0, None, step))
        if all(document == documents[0] for document in documents):
            refuse_equal(source, "texts")
        known, share = self._learn_terms(documents)
        if share < _LEAST_KNOWN_SHARE:
            self.analyzer = "char"
            known, share = self._learn_terms(documents)
            self.notes.append("words are mostly unique here: terms are sequences of one to three characters")
        self._learn_directions(known)
        self.notes.append(
            f"{len(self.terms):,} terms, and {self.n_directions} directions that a tenth of the texts share"
        )
        self.description = {
            "analyzer": self.analyzer,
            "terms": len(self.terms),
            "weight_of_known_terms": round(share, 4),
            "directions": self.n_directions,
            "dimensions": _DIMENSIONS,
        }
        return self

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return ``(n, 128)``; each row depends on its text alone."""
        X = np.empty((len(source), _DIMENSIONS), np.float32)
        start = 0
        for documents in _chunks(cast("TextSource", source).documents()):
            counts, terms = self._count(documents)
            X[start : start + len(documents)] = self._embed(_unit(self._weigh(counts, terms)), terms)
            start += len(documents)
        return X

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Name the terms that make the detector score a text high.

        Each of a text's at most 40 heaviest terms is left out in turn, and the rest scored anew; and each is
        scored as a text of its own, against the median of the texts fitted on. A text odd in many terms stays
        so without one of them, and a method that keeps rows knows the whole text and no part of it.
        """
        del X
        reasons: list[str] = []
        for documents in _chunks(iter(cast("TextSource", source).read(rows)), 64):
            counts, terms = self._count(documents)
            variants, tried = _leave_terms_out(self._weigh(counts, terms))
            scores = detector.anomaly_score(self._embed(_unit(variants), terms))
            alone = detector.anomaly_score(self._embed(_one_term_texts(tried, variants.shape[1]), terms))
            normal = detector.anomaly_score(detector.reference_[None])[0]
            first = 0
            for row, columns in enumerate(tried):
                without = scores[first] - scores[first + 1 : first + 1 + len(columns)]
                by_itself = alone[first - row : first - row + len(columns)] - normal
                gains = np.maximum(without, by_itself)
                gains[gains < _WEAKEST_TERM * gains.max(initial=0)] = 0
                first += 1 + len(columns)
                named = [
                    terms[columns[i]]
                    for i in np.argsort(-gains, kind="stable")[:_NAMED_TERMS]
                    if gains[i] > 0
                ]
                own = [terms[i] for i in counts.indices[counts.indptr[row] : counts.indptr[row + 1]]]
                reasons.append(self._in_words(named, own))
        return Explanations(reasons)

    def get_state(self) -> State:
        """Return what was fitted."""
        values = {"analyzer": self.analyzer, "terms": self.terms, "n_directions": self.n_directions}
        return values, {"idf": self.idf, "projection": self.projection}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        features = cls()
        features.analyzer = values["analyzer"]
        features.terms = list(values["terms"])
        features.n_directions = int(values["n_directions"])
        features.idf, features.projection = arrays["idf"], arrays["projection"]
        n, width = len(features.terms), features.n_directions + _DIMENSIONS
        if features.idf.shape != (n + 1,) or features.projection.shape != (n, width):
            raise ModelFileError(f"it has {n} terms, and weights for another number of them.")
        features._number = {term: number for number, term in enumerate(features.terms)}
        return features

    def _learn_terms(self, documents: list[str]) -> tuple[Any, float]:
        """Choose terms and their weights; return the texts in them, and the share of weight that is known."""
        counts, terms = self._count(documents)
        n = len(documents)
        frequency = np.bincount(counts.indices, minlength=len(terms))
        chosen = np.flatnonzero(frequency >= np.clip(n // 100, 2, _MOST_REQUIRED))
        chosen = np.sort(chosen[np.argsort(-frequency[chosen], kind="stable")[:_MOST_TERMS]])
        self.terms = [terms[i] for i in chosen]
        self._number = {term: number for number, term in enumerate(self.terms)}
        self.idf = np.log((1 + n) / (1 + np.append(frequency[chosen], 1))) + 1
        known = _unit(self._weigh(counts, terms))[:, chosen]
        words = known[:, int(self.terms[:1] == [_NO_TERM]) :]
        return known, float(words.multiply(words).sum() / n)

    def _learn_directions(self, known: Any) -> None:
        """Find the directions that many texts share; known: the texts in known terms, unit length or less."""
        n, d = known.shape
        wanted = min(max(1, n // _TEXTS_PER_DIRECTION), _MOST_DIRECTIONS, d)
        directions = np.zeros((0, d))
        if wanted:
            directions = randomized_svd(known, wanted, n_iter=2, random_state=0)[2]
            energy = (known @ directions.T) ** 2
            # the number of texts that carry a direction, if all of them carried it alike
            carriers = energy.sum(axis=0) ** 2 / np.maximum((energy**2).sum(axis=0), 1e-300)
            directions = directions[carriers >= _LEAST_PREVALENCE * n]
        sketch = _sketch(self.terms)
        rest = sketch - directions.T @ (directions @ sketch)
        self.n_directions = len(directions)
        self.projection = np.hstack([directions.T, rest]).astype(np.float32)

    def _count(self, documents: list[str]) -> tuple[Any, list[str]]:
        """Return how often each text has each term, and the terms in sorted order."""
        ngrams = (1, 3) if self.analyzer == "char" else (1, 1)
        analyze = CountVectorizer(
            analyzer=self.analyzer, ngram_range=ngrams, strip_accents="unicode"
        ).build_analyzer()
        number: dict[str, int] = {}
        columns: list[int] = []
        counts: list[int] = []
        ends = [0]
        for document in documents:
            of_text = Counter(analyze(document)) or {_NO_TERM: 1}
            columns += [number.setdefault(term, len(number)) for term in of_text]
            counts += of_text.values()
            ends.append(len(columns))
        terms = sorted(number)
        place = np.empty(len(terms), np.int32)
        place[[number[term] for term in terms]] = np.arange(len(terms))
        matrix = sparse.csr_matrix(
            (np.array(counts, np.float64), place[columns], ends), (len(documents), len(terms))
        )
        matrix.sort_indices()  # so that sums do not depend on the texts beside this one
        return matrix, terms

    def _weigh(self, counts: Any, terms: list[str]) -> Any:
        """Turn counts into TF-IDF weights, not yet of unit length."""
        idf = self.idf[[self._number.get(term, -1) for term in terms]]
        weights = counts.copy()
        weights.data = (1 + np.log(weights.data)) * idf[weights.indices]
        return weights

    def _embed(self, weights: Any, terms: list[str]) -> NDArray[np.float32]:
        """Return what the common directions leave of texts of unit length."""
        number = np.array([self._number.get(term, -1) for term in terms])
        known, new = np.flatnonzero(number >= 0), np.flatnonzero(number < 0)
        parts = weights[:, known] @ self.projection[number[known]].astype(np.float64)
        common, rest = parts[:, : self.n_directions], parts[:, self.n_directions :]
        rest = rest + weights[:, new] @ _sketch([terms[i] for i in new])
        length = np.sqrt(np.clip(1 - (common**2).sum(axis=1), 0, 1))
        sketched = np.sqrt((rest**2).sum(axis=1))
        # the factor makes the values about as large as standardised ones
        factor = np.sqrt(_DIMENSIONS) * length / np.where(sketched > 0, sketched, 1)
        return np.asarray(rest * factor[:, None], np.float32)

    def _in_words(self, named: list[str], terms: list[str]) -> str:
        if terms == [_NO_TERM]:
            return "no word at all"
        listed = ", ".join(repr(unicodedata.normalize("NFC", term[:40])) for term in named)
        reason = f"terms: {listed}" if named else "no single term stands out"
        new = sum(term not in self._number for term in terms)
        if new == len(terms):
            return f"{reason}; none of its {new} terms is known from other texts"
        return f"{reason}; {new} of its {len(terms)} terms are rare or new" if new else reason


def _chunks(documents: Iterator[str], size: int = _CHUNK) -> Iterator[list[str]]:
    while chunk := list(islice(documents, size)):
        yield chunk


def _unit(weights: Any) -> Any:
    """Bring rows to unit length; a row of zeros stays one."""
    length = np.sqrt(np.asarray(weights.multiply(weights).sum(axis=1)).ravel())
    return sparse.csr_matrix(sparse.diags(1 / np.where(length > 0, length, 1)) @ weights)


def _sketch(terms: Iterable[str]) -> NDArray[np.float64]:
    """Return a direction ``(128,)`` for each term, by its hash; different terms are nearly orthogonal."""
    digests = [blake2b(term.encode("utf-8", "replace"), digest_size=2 * _ENTRIES).digest() for term in terms]
    numbers = np.frombuffer(b"".join(digests), "<u2").reshape(-1, _ENTRIES)
    signs = 1.0 - 2.0 * (numbers >> 15)
    sketch = np.zeros((len(numbers), _DIMENSIONS))
    np.add.at(sketch, (np.arange(len(numbers))[:, None], numbers % _DIMENSIONS), signs / np.sqrt(_ENTRIES))
    return sketch


def _one_term_texts(tried: list[NDArray[np.int32]], n_terms: int) -> Any:
    """Return a text of one term for each of the terms tried, in order."""
    columns = np.concatenate(tried)
    ends = np.arange(len(columns) + 1)
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), (len(columns), n_terms))


def _leave_terms_out(weights: Any) -> tuple[Any, list[NDArray[np.int32]]]:
    """Return each row followed by copies that lack one of its heaviest terms, and the terms left out."""
    blocks, tried = [], []
    for row in weights:
        places = np.argsort(-row.data, kind="stable")[:_TRIED_TERMS]
        data = np.tile(row.data, (1 + len(places), 1))
        data[np.arange(1, len(data)), places] = 0
        ends = np.arange(len(data) + 1) * row.nnz
        blocks.append(
            sparse.csr_matrix(
                (data.ravel(), np.tile(row.indices, len(data)), ends), (len(data), row.shape[1])
            )
        )
        tried.append(row.indices[places])
    return sparse.vstack(blocks, format="csr"), tried
