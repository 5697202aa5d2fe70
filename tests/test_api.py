"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dross
from command_line import make_table

HEAVY = ("numpy", "pandas", "pyarrow", "rich", "scipy", "skops", "sklearn", "torch")


def modules_after(program: str, *arguments: object) -> set[str]:
    """Return which heavy modules a fresh interpreter holds after a program."""
    program = f"""
import sys
try:
    {program}
finally:
    print(*sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)
"""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(process.stderr.splitlines()[-1].split())


def test_names() -> None:
    assert set(dross.__all__) <= set(dir(dross))
    for name in dross.__all__:
        assert getattr(dross, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        dross.nothing  # noqa: B018


def test_functions_are_not_hidden_by_modules() -> None:
    """Importing a module puts it into its package: none may bear the name of a public function."""
    modules = {path.stem for path in Path(dross.__file__).parent.iterdir()}
    assert not modules & set(dross.__all__)


def test_errors_are_one_family() -> None:
    for name in ("InputError", "ModelFileError", "ParameterError"):
        assert issubclass(getattr(dross, name), dross.DrossError)
    assert issubclass(dross.DrossError, ValueError)


def test_import_loads_nothing() -> None:
    assert modules_after("import dross, dross.errors, dross.registry") == set()


@pytest.mark.parametrize("arguments", [("--help",), ("find", "--help")])
def test_help_loads_nothing(arguments: tuple[str, ...]) -> None:
    assert modules_after("from dross.cli import main; main()", *arguments) <= {"rich"}


def test_torch_is_loaded_by_trained_detectors_only(tmp_path: Path) -> None:
    path, out = make_table(tmp_path / "t.csv"), tmp_path / "r"
    options = ("find", path, "--out", out, "--quiet")
    assert "torch" not in modules_after("from dross.cli import main; main()", *options)
    score = ("score", out / "model.dross", path)
    assert "torch" not in modules_after("from dross.cli import main; main()", *score)
