"""What a folder of sentence-transformers may be made of, looked at before that library loads it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from dross.errors import InputError
from dross.sources.archives import name_trouble

__all__ = ["check_modules"]

# The classes by all the paths under which releases of the library have written them.
_OWN_MODULE = re.compile(
    r"sentence_transformers\.(models|(base|sentence_transformer)\.modules)\."
    r"((?i:transformer|pooling|normalize|dense)\.)?(Transformer|Pooling|Normalize|Dense)"
)


def check_modules(folder: Path) -> list[tuple[str, str]]:
    """Return class and folder of each module; refuse what could run code of others, or has pickled weights.

    The library imports whatever class of its own name space ``modules.json`` names and takes
    ``pytorch_model.bin`` where there is no ``model.safetensors``.

    Raises
    ------
    InputError
        ``modules.json`` is damaged, or names a module other than the library's Transformer, Pooling,
        Normalize and Dense, one outside of the folder, or one with pickled weights only.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     listed = [{"path": "", "type": "sentence_transformers.models.CLIPModel"}]
    ...     _ = (Path(folder) / "modules.json").write_text(json.dumps(listed))
    ...     check_modules(Path(folder))
    Traceback (most recent call last):
    dross.errors.InputError: ...modules.json names the module 'sentence_transformers.models.CLIPModel', ...
    """
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        modules = [(str(one["type"]), str(one["path"])) for one in json.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f"{path} is damaged: it is no list of modules, each with its type and path."
        ) from None
    for kind, place in modules:
        if not _OWN_MODULE.fullmatch(kind):
            raise InputError(
                f"{path} names the module {kind!r}, which is none of those taken: sentence-transformers' own "
                "Transformer, Pooling, Normalize and Dense."
            )
        if place and name_trouble(place):
            raise InputError(f"{path} names the folder {place!r}, which is not within it.")
        inside = folder / place
        if (inside / "pytorch_model.bin").exists() and not (inside / "model.safetensors").is_file():
            raise InputError(
                f"{inside} has no weights as .safetensors; pickled weights are never loaded, since that can "
                "run code."
            )
    return modules
