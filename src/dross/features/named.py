"""Every kind of features by name: the one list that the command line, models and loading go through."""

from __future__ import annotations

import difflib
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dross.errors import ParameterError

if TYPE_CHECKING:
    from dross.features.base import Features

__all__ = ["FEATURES", "build_features", "check_spec", "features_class", "name_of_features", "plural"]

FEATURES: dict[str, dict[str, str]] = {
    "raw": {
        "table": "dross.features.table_encoder:TableEncoder",
        "image": "dross.features.image_scaler:ImageScaler",
        "text": "dross.features.tfidf:TfidfFeatures",
        "video": "dross.features.image_scaler:ImageScaler",
        "vectors": "dross.features.vectors:GivenVectors",
    },
    "netvlad": {
        "image": "dross.features.netvlad:NetVLAD",
        "video": "dross.features.netvlad:NetVLAD",
    },
    "c3d": {"video": "dross.features.c3d:C3D"},
    "pretrained": {
        "image": "dross.features.pretrained:Pretrained",
        "text": "dross.features.pretrained:Pretrained",
        "video": "dross.features.pretrained:Pretrained",
    },
}
"""Name -> family of sources -> "module:Class" of the features that take it; listing it imports no torch."""

_ARGUMENTS = {"c3d": "weights", "netvlad": "backbone", "pretrained": "model"}
"""Name -> parameter that what follows a colon is given to."""

_NEEDED = frozenset({"c3d", "pretrained"})
"""Names that say nothing without their argument."""


def check_spec(spec: str) -> tuple[str, str]:
    """Return the name and the argument of ``NAME`` or ``NAME:ARGUMENT``.

    Raises
    ------
    ParameterError
        There are no features of that name, they take no argument, or need one.

    Examples
    --------
    >>> check_spec("netvlad:models/dino")
    ('netvlad', 'models/dino')
    """
    name, colon, argument = spec.partition(":")
    if name not in FEATURES:
        if name == "auto":
            raise ParameterError(f"The features are given as {spec!r}; auto takes nothing after it.")
        near = difflib.get_close_matches(name.lower(), ("auto", *FEATURES), n=1, cutoff=0.0)[0]
        known = ", ".join(("auto", *FEATURES))
        raise ParameterError(f"There are no features {name!r}; did you mean {near!r}? There are {known}.")
    if (colon and (name not in _ARGUMENTS or not argument)) or (name in _NEEDED and not colon):
        what = "WEIGHTS" if name == "c3d" else "ENCODER"
        form = f"{name}:{what}" if name in _ARGUMENTS else name
        raise ParameterError(f"The features are given as {spec!r}; needed is {form}.")
    return name, argument


def plural(family: str) -> str:
    """Return what a family of sources is called in a sentence."""
    return {"vectors": "features"}.get(family, f"{family}s")


def features_class(name: str, family: str) -> type[Features]:
    """Return the class of the features of a name for a family of sources.

    Raises
    ------
    ParameterError
        These features do not take that family.

    Examples
    --------
    >>> features_class("raw", "table").__name__
    'TableEncoder'
    """
    if family not in FEATURES[name]:
        able = [other for other, families in FEATURES.items() if family in families]
        taken = " and ".join(map(plural, FEATURES[name]))
        raise ParameterError(
            f"The features {name!r} take {taken}; for {plural(family)} there are {', '.join(able)}."
        )
    module, _, attribute = FEATURES[name][family].partition(":")
    found: type[Features] = getattr(import_module(module), attribute)
    return found


def build_features(spec: str, family: str, **shared: Any) -> Features:
    """Return unfitted features.

    Parameters
    ----------
    spec : str
        ``NAME`` or ``NAME:ARGUMENT``; see `check_spec`.
    family : str
        Of the source they are to take.
    shared
        ``random_state`` and ``device``, for those that have them.
    """
    name, argument = check_spec(spec)
    cls: Any = features_class(name, family)
    known = {one.name for one in fields(cls)} if is_dataclass(cls) else set()
    given = {key: value for key, value in shared.items() if key in known}
    if argument:
        given[_ARGUMENTS[name]] = argument
    built: Features = cls(**given)
    return built


def name_of_features(features: Features) -> str:
    """Return the name of the features that an object is.

    Raises
    ------
    ParameterError
        Its class is none of `FEATURES`, so that it could not be loaded again.
    """
    place = f"{type(features).__module__}:{type(features).__name__}"
    for name, families in FEATURES.items():
        if place in families.values():
            return name
    raise ParameterError(f"{type(features).__name__} is not listed in dross.features.named.")
