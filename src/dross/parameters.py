"""Checks of an object's parameters, each with one sentence that says what is needed."""

from __future__ import annotations

import numpy as np

from dross.errors import ParameterError

__all__ = ["check_choice", "check_number", "check_sizes"]


def check_number(
    owner: object,
    name: str,
    kind: type,
    minimum: float,
    maximum: float = np.inf,
    *,
    excluding: tuple[float, ...] = (),
    optional: bool = False,
) -> None:
    """Raise unless an attribute is a finite number of its kind within bounds.

    Parameters
    ----------
    owner : object
    name : str
        Of the attribute.
    kind : int or float
    minimum, maximum : float
        Themselves allowed, unless excluded.
    excluding : tuple of float
        Numbers that are not allowed.
    optional : bool
        Whether None is allowed.

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_number(SimpleNamespace(share=0), "share", float, 0, 1, excluding=(0,))
    Traceback (most recent call last):
        ...
    dross.errors.ParameterError: share of SimpleNamespace must be a number from 0 to 1, excluding 0, got 0.
    """
    value = getattr(owner, name)
    if value is None and optional:
        return
    accepted = (int, np.integer) if kind is int else (int, float, np.integer, np.floating)
    if (
        isinstance(value, bool)
        or not isinstance(value, accepted)
        or not minimum <= value <= maximum
        or value in (np.inf, *excluding)
    ):
        plain = "a whole number" if kind is int else "a finite number" if maximum == np.inf else "a number"
        what = "None or " * optional + plain
        if maximum < np.inf:
            without = ", excluding " + " and ".join(map("{:g}".format, excluding)) if excluding else ""
            bounds = f"from {minimum:g} to {maximum:g}{without}"
        else:
            bounds = f"above {minimum:g}" if minimum in excluding else f"of at least {minimum:g}"
        raise ParameterError(f"{name} of {type(owner).__name__} must be {what} {bounds}, got {value!r}.")


def check_choice(owner: object, name: str, *allowed: object) -> None:
    """Raise unless an attribute has one of a few values."""
    value = getattr(owner, name)
    plain = value.item() if isinstance(value, np.generic) else value
    if not any(type(plain) is type(one) and plain == one for one in allowed):  # 2.0 is no 2, nor True a 1
        raise ParameterError(
            f"{name} of {type(owner).__name__} must be one of {', '.join(map(str, allowed))}; got {value!r}."
        )


def check_sizes(owner: object, name: str, least: int = 1) -> None:
    """Raise if an attribute is neither None nor a tuple of whole numbers, each large enough."""
    value = getattr(owner, name)
    if value is None:
        return
    if (
        not isinstance(value, (tuple, list))
        or not value
        or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in value)
    ):
        needed = f"None or whole numbers from {least}, as (64, 32)"
        raise ParameterError(f"{name} of {type(owner).__name__} must be {needed}; got {value!r}.")
