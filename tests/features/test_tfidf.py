"""Texts as numbers, and the terms that make a text odd."""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dross.detectors.isolation_forest import IsolationForest
from dross.detectors.knn import KNN
from dross.detectors.lof import LOF
from dross.errors import InputError
from dross.features.tfidf import TfidfFeatures
from dross.sources.base import ReadOptions
from dross.sources.frames import frame_source
from dross.sources.text import TextSource, text_column

USUAL = [
    "ship",
    "cargo",
    "port",
    "harbour",
    "crew",
    "captain",
    "sail",
    "anchor",
    "deck",
    "voyage",
    "storm",
    "coast",
]
USUAL += ["freight", "dock", "pilot", "vessel"]
ODD = ["violin", "cello", "sonata", "orchestra", "concerto", "rehearsal", "melody", "composer"]


def source_of(texts: list[str]) -> TextSource:
    return text_column(frame_source(pa.table({"t": texts}), ReadOptions()), "t")


def texts_on(words: list[str], n: int, *, seed: int = 0, length: int = 12) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, length)) + f" ref{seed}x{i}" for i in range(n)]


def lengths(X: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.linalg.norm(X.astype(np.float64), axis=1) / np.sqrt(X.shape[1])


def test_shape_type_and_length() -> None:
    source = source_of(texts_on(USUAL, 60))
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    assert X.shape == (60, 128)
    assert X.dtype == np.float32
    assert len(features.feature_owner) == 128
    assert lengths(X).max() <= 1 + 1e-6


def test_texts_on_other_matters_lie_far_out() -> None:
    source = source_of(texts_on(USUAL, 95) + texts_on(ODD, 5, seed=1))
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    assert lengths(X)[95:].min() > lengths(X)[:95].max()
    for detector in (KNN(random_state=0), LOF(random_state=0), IsolationForest(random_state=0)):
        scores = detector.fit(X).anomaly_scores_
        assert roc_auc_score(np.arange(100) >= 95, scores) > 0.95, detector


def test_a_group_of_anomalies_does_not_become_common() -> None:
    alike = [" ".join(ODD) + f" no{i}" for i in range(8)]
    source = source_of(texts_on(USUAL, 192) + alike)
    X = TfidfFeatures().fit(source).transform(source)
    assert np.median(lengths(X)[192:]) > np.quantile(lengths(X)[:192], 0.95)


def test_the_length_is_what_common_directions_leave() -> None:
    """By hand, for terms of one weight: all texts share one direction, which is their mean."""
    texts = ["alpha beta"] * 6 + ["alpha gamma", "alpha gamma"]
    source = source_of(texts)
    features = TfidfFeatures().fit(source)
    assert features.n_directions == 1
    known = np.array([[1.0, 1, 0]] * 6 + [[1, 0, 1]] * 2) * features.idf[:3]  # terms in sorted order
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    direction = np.linalg.svd(known)[2][0]
    expected = np.sqrt(1 - (known @ direction) ** 2)
    np.testing.assert_allclose(lengths(features.transform(source)), expected, rtol=1e-5)


def test_weights_are_those_of_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = texts_on(USUAL, 40)
    features = TfidfFeatures().fit(source_of(texts))
    theirs = TfidfVectorizer(min_df=2, strip_accents="unicode", sublinear_tf=True).fit(texts)
    assert features.terms == theirs.get_feature_names_out().tolist()
    np.testing.assert_allclose(features.idf[:-1], theirs.idf_)
    assert features.idf[-1] == pytest.approx(np.log(41 / 2) + 1)


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    texts = texts_on(USUAL, 300) + texts_on(ODD, 5, seed=1)
    source = source_of(texts)
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    for chosen in ([7], [304, 3], list(range(200, 305))):
        np.testing.assert_array_equal(features.transform(source_of([texts[i] for i in chosen])), X[chosen])


def test_more_texts_than_a_chunk() -> None:
    texts = texts_on(USUAL, 2100)
    source = source_of(texts)
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    np.testing.assert_array_equal(features.transform(source_of(texts[2000:])), X[2000:])


def test_saved_features_are_equal_to_the_bit() -> None:
    source = source_of([*texts_on(USUAL, 50), "ÄÖ Ärger 漢字 ☃"])
    features = TfidfFeatures().fit(source)
    values, arrays = features.get_state()
    loaded = TfidfFeatures.from_state(json.loads(json.dumps(values)), arrays)
    new = source_of(["captain violin", "ship ship ship", "☃"])
    for data in (source, new):
        np.testing.assert_array_equal(loaded.transform(data), features.transform(data))


def test_two_fits_are_equal() -> None:
    source = source_of(texts_on(USUAL, 50))
    one, two = TfidfFeatures().fit(source), TfidfFeatures().fit(source)
    np.testing.assert_array_equal(one.transform(source), two.transform(source))
    np.testing.assert_array_equal(
        one.fit(source_of(texts_on(ODD, 50))).fit(source).projection, two.projection
    )
    assert len(one.notes) == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a b", "c d", "e", "f"], "has 4 texts; at least 5"),
        (["the same"] * 9, "9 texts, and all of them are equal"),
    ],
)
def test_nothing_to_compare(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TfidfFeatures().fit(source_of(texts))


def test_a_text_without_words_is_odd_among_texts_with_words() -> None:
    source = source_of([*texts_on(USUAL, 99), "?!"])
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    assert lengths(X).argmax() == 99
    detector = KNN(random_state=0).fit(X)
    assert features.explain(detector, source, X, np.array([99])).reasons == ["no word at all"]


@pytest.mark.parametrize(
    "texts",
    [
        [
            "我喜歡吃蘋果和香蕉",
            "他喜歡吃香蕉",
            "我們都喜歡吃水果",
            "她不喜歡吃蘋果",
            "大家喜歡吃香蕉和水果",
            "我吃蘋果",
        ],
        ["<<>>!!", "<<>>??", "<<>>!?", ">><<!!", "<>!!", "<<>>"],
        ["a1b2c3", "a1b2c4", "a1b2c5", "a1b2d3", "a1b2c9", "a1b2c0"],
    ],
)
def test_unique_words_are_cut_into_characters(texts: list[str]) -> None:
    source = source_of([*texts, "zzyyxx"])
    features = TfidfFeatures().fit(source)
    assert features.analyzer == "char"
    X = features.transform(source)
    assert lengths(X).argmax() == 6
    values, arrays = features.get_state()
    np.testing.assert_array_equal(TfidfFeatures.from_state(values, arrays).transform(source), X)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1), min_size=5, max_size=12))
def test_any_texts(texts: list[str]) -> None:
    try:
        source = source_of(texts)
        features = TfidfFeatures().fit(source)
    except InputError:
        return
    X = features.transform(source)
    assert np.isfinite(X).all()
    detector = KNN(random_state=0).fit(X)
    reasons = features.explain(detector, source, X, np.arange(len(source))).reasons
    assert len(reasons) == len(source)
    assert all(reasons)


def test_reasons_name_planted_terms() -> None:
    """One foreign term in a usual text is the first reason given."""
    found = 0
    texts = texts_on(USUAL, 300)
    source = source_of(texts)
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    detector = KNN(random_state=0).fit(X)
    planted = source_of([text.rsplit(" ", 1)[0] + " violin" for text in texts[:100]])
    reasons = features.explain(detector, planted, features.transform(planted), np.arange(100)).reasons
    found = sum(reason.startswith("terms: 'violin'") for reason in reasons)
    assert found >= 90
    assert "; 1 of its " in reasons[0]
    assert reasons[0].endswith("terms are rare or new")


def test_reasons_follow_the_detector() -> None:
    """A detector that looks at one term only gets that term named, and no other."""
    source = source_of(texts_on(USUAL, 80))
    features = TfidfFeatures().fit(source)
    direction = features.projection[features.terms.index("anchor"), features.n_directions :]

    class Looks:
        reference_ = np.zeros(128)

        def anomaly_score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.asarray(np.maximum(X @ direction / 10 - 0.2, 0), np.float64)

    X = features.transform(source)
    scores = Looks().anomaly_score(X)
    row = int(scores.argmax())
    assert scores[row] > 0
    assert features.explain(Looks(), source, X, np.array([row])).reasons[0].startswith("terms: 'anchor'")  # type: ignore[arg-type]

    class Flat:
        reference_ = np.zeros(128)

        def anomaly_score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
            return np.zeros(len(X))

    reasons = features.explain(Flat(), source, X, np.array([row])).reasons  # type: ignore[arg-type]
    assert reasons[0].startswith("no single term stands out")


def test_a_text_of_new_terms_only() -> None:
    source = source_of(texts_on(USUAL, 80))
    features = TfidfFeatures().fit(source)
    detector = KNN(random_state=0).fit(features.transform(source))
    new = source_of(["Größe größe ﬁnale", "x" * 500 + " \u0301 it's"])
    reasons = features.explain(detector, new, features.transform(new), np.array([0, 1])).reasons
    assert "; none of its 2 terms is known from other texts" in reasons[0]
    assert "'große'" in reasons[0] or "'grosse'" in reasons[0]
    assert len(reasons[1]) < 200


def test_long_texts_and_many_terms() -> None:
    texts = [" ".join(f"w{(i * 37 + j) % 3000}" for j in range(2000)) for i in range(12)]
    source = source_of(texts)
    features = TfidfFeatures().fit(source)
    X = features.transform(source)
    detector = KNN(random_state=0).fit(X)
    assert all(features.explain(detector, source, X, np.array([0, 11])).reasons)


@pytest.mark.data
def test_newsgroups_and_reuters_beat_plain_lsa(data_dir: Path) -> None:
    """One class with a tenth of others: the numbers that docs/choices.md promises, with some room."""
    floors = {"20news": 0.85, "reuters": 0.75}
    for name, classes in {"20news": _newsgroups(data_dir), "reuters": _reuters(data_dir)}.items():
        normal = {"20news": "rec.sport.hockey", "reuters": "earn"}[name]
        rng = np.random.default_rng(102)
        inside = [classes[normal][i] for i in rng.permutation(len(classes[normal]))[:600]]
        others = [text for other in sorted(classes) if other != normal for text in classes[other]]
        source = source_of(inside + [others[i] for i in rng.permutation(len(others))[:60]])
        X = TfidfFeatures().fit(source).transform(source)
        for detector in (KNN(random_state=0), LOF(random_state=0)):
            scores = detector.fit(X).anomaly_scores_
            assert roc_auc_score(np.arange(660) >= 600, scores) > floors[name], (name, detector)


def _newsgroups(data_dir: Path) -> dict[str, list[str]]:
    classes = defaultdict(list)
    with tarfile.open(data_dir / "20news.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None and "train" in member.name:
                classes[member.name.split("/")[1]].append(file.read().decode("latin-1"))
    return classes


def _reuters(data_dir: Path) -> dict[str, list[str]]:
    classes = defaultdict(list)
    with tarfile.open(data_dir / "reuters21578.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".sgm") else None
            content = file.read().decode("latin-1") if file is not None else ""
            for topics, body in re.findall(
                r"<TOPICS>(.*?)</TOPICS>.*?<TEXT.*?>(.*?)</TEXT>", content, re.DOTALL
            ):
                names = re.findall("<D>(.*?)</D>", topics)
                if len(names) == 1:
                    classes[names[0]].append(re.sub(r"<[^>]+>|&#?\w+;", " ", body))
    return classes
