"""Errors whose message a user can act on.

Every message says what was got, what was expected and, where it helps, what to do. The command line prints
the message and exits with 2; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

__all__ = ["DrossError", "InputError", "ModelFileError", "ParameterError", "TrainingError"]


class DrossError(ValueError):
    """Base of everything a user can mend."""


class InputError(DrossError):
    """The data cannot be read or used."""


class ParameterError(DrossError):
    """An option, a detector's name or a parameter is wrong."""


class ModelFileError(DrossError):
    """A model file is damaged, foreign, too new, or not for this data."""


class TrainingError(DrossError):
    """A training went wrong: its loss is no longer a finite number."""
