"""Shared fixtures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the larger data sets, named by DROSS_DATA; CI fails on the skip."""
    folder = os.environ.get("DROSS_DATA")
    if not folder:
        pytest.skip("DROSS_DATA is not set: it names the folder of the larger data sets")
    path = Path(folder).resolve()
    if not path.is_dir():
        pytest.fail(f"DROSS_DATA names {path}, which is no folder")
    return path


@pytest.fixture(scope="session", autouse=True)
def no_text_encoder() -> Iterator[None]:
    """Keep `auto` from taking a text encoder that happens to be installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DROSS_TEXT_ENCODER", "")
        yield


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a case of bytes by its argument: compressed bytes hold a time, and workers must agree on names."""
    return argname if isinstance(val, bytes) else None
