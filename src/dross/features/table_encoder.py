"""Tables of any columns as numbers, and scores back as words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError, ModelFileError
from dross.features.base import Explanations, Features, State, check_enough
from dross.features.cells import is_moment_type
from dross.features.encodings import Boolean, Categorical, DateTime, Encoding, Numeric, Scale
from dross.features.profiles import NumberProfile, ValueProfile
from dross.features.roles import Dropped, describe, number_role, value_role
from dross.features.text_encoding import FreeText
from dross.sources.base import RowSource, Source
from dross.sources.tables import TableSource

if TYPE_CHECKING:
    from dross.base import BaseDetector

__all__ = ["TableEncoder"]

_MOST_SAMPLED_ROWS = 20_000
_MOST_SAMPLED_CELLS = 4_000_000
_LISTED_COLUMNS = 5
_MOST_REASONS = 3
_WEAKEST_REASON = 0.1  # of the strongest: less is noise

_ROLES: dict[str, type[Encoding]] = {
    role.role: role for role in (Numeric, Boolean, Categorical, DateTime, FreeText)
}


class TableEncoder(Features):
    """Every column by its content; what is missing, odd or new has a defined outcome.

    One pass over the source decides what each column is, a second one looks at those that are not numbers.

    ============  ==================================================================================
    role          features
    ============  ==================================================================================
    numeric       ``(x - mean) / std``, cut off at 1 000; at least 95 % of what is not missing are
                  numbers
    boolean       one feature, positive for true, negative for false, as far from 0 as the value is rare
    categorical   one-hot for at most 100 categories that at least 2 rows and 1 in 1 000 have, and
                  `rarity` of the category, less its mean
    date-time     standardised time, hour of day and day of week as sine and cosine where they vary
    text          TF-IDF by its first 4 singular directions, how unfamiliar the words are, and the length
    id            left out: whole numbers that only rise or fall, or text that never recurs
    constant      left out, as is *empty*
    ============  ==================================================================================

    A missing cell takes the mean (0). So does an infinite one, or one that is no number in a numeric column.
    Where fitting met invalid cells, or missing ones in at most 1 % of the rows, indicator features of the
    column tell them, as high as they were rare.
    A category not seen in fitting counts as rarer than any seen. A column that is absent when scoring is 0
    throughout, the mean, and new columns are passed over; ``source.notes`` says so.

    Attributes
    ----------
    owners : list of str
        The columns that have features, in order: the columns of `contributions`.

    Examples
    --------
    >>> from dross.sources import open_source
    >>> table = pa.table({"size": [1.0, 2.0, 4.0, None, 3.0], "unit": ["m"] * 5})
    >>> encoder = TableEncoder().fit(open_source(table))
    >>> encoder.feature_owner, encoder.notes
    (['size'], ["column 'unit' is constant ('m'): left out"])
    """

    def __init__(self) -> None:
        self.owners: list[str] = []
        self.feature_owner = []
        self.notes = []
        self.description = {}
        self._encodings: list[Encoding] = []
        self._dropped: list[Dropped] = []
        self._groups: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def fit(self, source: Source) -> Self:
        """Decide on the columns of a table.

        Raises
        ------
        InputError
            If there are fewer than 5 rows, or no column is of use.
        """
        table = _as_table(source)
        check_enough(table, "rows")
        fates = _decide(table)
        encodings = [fate for fate in fates if isinstance(fate, Encoding)]
        dropped = [fate for fate in fates if isinstance(fate, Dropped)]
        if not encodings:
            listed = "; ".join(f"{fate.name!r} {fate.why}" for fate in dropped[:_LISTED_COLUMNS])
            more = f"; and {len(dropped) - _LISTED_COLUMNS} more" if len(dropped) > _LISTED_COLUMNS else ""
            raise InputError(f"{table.name} has no usable column: {listed}{more}.")
        notes = _notes_on(dropped) + [encoding.note for encoding in encodings if encoding.note]
        self._set(encodings, dropped, notes)
        self.description = {"columns": [describe(fate) for fate in fates]}
        return self

    def _set(self, encodings: list[Encoding], dropped: list[Dropped], notes: list[str]) -> None:
        self._encodings, self._dropped, self.notes = encodings, dropped, notes
        widths = [len(encoding.features) for encoding in encodings]
        self.owners = [encoding.name for encoding in encodings]
        self._groups = np.repeat(np.arange(len(encodings)), widths)
        self.feature_owner = [self.owners[group] for group in self._groups]

    def transform(self, source: Source) -> NDArray[np.float32]:
        """Return ``(n, d)`` float32, all finite, filled batch by batch.

        What was absent, new or invalid only here is added to ``source.notes``.

        Raises
        ------
        ModelFileError
            If the source is no table, or shares no column with the one fitted on.
        """
        table = _as_table(source)
        places = np.searchsorted(self._groups, np.arange(len(self._encodings) + 1))
        here = set(table.columns)
        present = [k for k, name in enumerate(self.owners) if name in here]
        if not present:
            raise ModelFileError(
                f"wrong model for this data: it was fitted on the columns {_listed(self.owners)}, "
                f"and {table.name} has {_listed(table.columns)}."
            )
        X = np.zeros((len(table), len(self.feature_owner)), dtype=np.float32)
        n_invalid = np.zeros(len(self._encodings), dtype=np.int64)
        for rows, batch in _numbered(table, [self.owners[k] for k in present]):
            for column, k in zip(batch.columns, present, strict=True):
                out = X[rows, places[k] : places[k + 1]]
                n_invalid[k] += self._encodings[k].fill(column, table.decimal, out)
        notes = self._notes_on_columns(table)
        for encoding, count in zip(self._encodings, n_invalid, strict=True):
            if count and not encoding.invalid:
                notes.append(
                    f"column {encoding.name!r}: {count} cells are not {encoding.must_be}: taken as the mean"
                )
        table.notes += [note for note in notes if note not in table.notes]
        return X

    def _notes_on_columns(self, table: TableSource) -> list[str]:
        here = set(table.columns)
        absent = [name for name in self.owners if name not in here]
        known = {*self.owners, *(fate.name for fate in self._dropped)}
        new = [name for name in table.columns if name not in known]
        notes = [f"columns missing here, taken as their mean: {_listed(absent)}"] if absent else []
        return notes + ([f"columns that the model does not know, passed over: {_listed(new)}"] if new else [])

    def contributions(
        self, detector: BaseDetector, X: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return ``(m, len(owners))``: what each column adds to the score of each of the rows."""
        return np.asarray(detector.explain(X[rows], self._groups), dtype=np.float64)

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Name the up to 3 columns that add most to the score, strongest first, with their cells.

        Infinite cells and cells of another type come before all others.
        """
        table = _as_table(source)
        cells = table.take(rows)
        strengths = self.contributions(detector, np.asarray(X), rows)
        strongest = strengths.max(axis=1, keepdims=True)
        strengths[(strengths <= 0) | (strengths < _WEAKEST_REASON * strongest)] = -np.inf
        here = set(cells.column_names)
        for k, encoding in enumerate(self._encodings):
            if encoding.name in here:
                column = cells[encoding.name].combine_chunks()
                strengths[encoding.faults(column, table.decimal), k] = np.inf
            else:
                strengths[:, k] = -np.inf
        named = np.argsort(-strengths, axis=1, kind="stable")[:, :_MOST_REASONS]
        is_said = np.take_along_axis(strengths, named, axis=1) > -np.inf
        words = np.full(named.shape, "", dtype=object)
        for k in np.unique(named[is_said]):
            at = (named == k) & is_said
            column = cells[self.owners[k]].take(pa.array(np.flatnonzero(at.any(axis=1))))
            words[at] = self._encodings[k].reasons(column.combine_chunks(), table.decimal)
        n_faults = (strengths == np.inf).sum(axis=1)
        return Explanations([_sentence(*pair) for pair in zip(words, n_faults, strict=True)])

    def get_state(self) -> State:
        """Return JSON-able values and arrays, from which `from_state` makes an equal encoder."""
        arrays = {
            f"{k}.{name}": array
            for k, encoding in enumerate(self._encodings)
            for name, array in encoding.arrays().items()
        }
        values = {
            "encodings": [encoding.state() for encoding in self._encodings],
            "dropped": [[fate.name, fate.role, fate.why] for fate in self._dropped],
            "notes": self.notes,
            "description": self.description,
        }
        return values, arrays

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Make the encoder that `get_state` was called on."""
        encodings = []
        for k, state in enumerate(values["encodings"]):
            own = {key.partition(".")[2]: array for key, array in arrays.items() if key.startswith(f"{k}.")}
            encodings.append(_restored(state, own))
        encoder = cls()
        encoder._set(encodings, [Dropped(*fate) for fate in values["dropped"]], list(values["notes"]))
        encoder.description = values["description"]
        return encoder


def _restored(state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Encoding:
    fields = {key: value for key, value in state.items() if key != "role"} | arrays
    if fields.get("scale") is not None:
        fields["scale"] = Scale(**fields["scale"])
    return _ROLES[state["role"]](**fields)


def _as_table(source: Source) -> TableSource:
    if not isinstance(source, TableSource):
        raise ModelFileError(
            f"wrong model for this data: a table is needed, and {source.name} is {source.kind}."
        )
    return source


def _numbered(table: TableSource, columns: Sequence[str]) -> Iterator[tuple[slice, pa.RecordBatch]]:
    """Yield the batches with the rows they are."""
    start = 0
    for batch in table.batches(columns):
        rows = slice(start, start + len(batch))
        if rows.stop > len(table):
            break
        yield rows, batch
        start = rows.stop
    if start != len(table):
        raise InputError(f"{table.name} changed while it was read.")


def _decide(table: TableSource) -> list[Encoding | Dropped]:
    """Go through the table once or twice and decide on every column, in order."""
    n_sampled = int(np.clip(_MOST_SAMPLED_CELLS // len(table.columns), 500, _MOST_SAMPLED_ROWS))
    n_sampled = min(n_sampled, len(table))
    sampled = np.sort(np.random.default_rng(0).choice(len(table), n_sampled, replace=False))
    fates = _decide_on_numbers(table, sampled)
    rest = {name: ValueProfile() for name in table.columns if name not in fates}
    if rest:
        for rows, batch in _numbered(table, list(rest)):
            here = _within(sampled, rows)
            for column, profile in zip(batch.columns, rest.values(), strict=True):
                profile.add(column, here)
    fates |= {name: value_role(name, profile) for name, profile in rest.items()}
    return [_useful(fates[name]) for name in table.columns]


def _useful(fate: Encoding | Dropped) -> Encoding | Dropped:
    """Drop a column whose only news would be that many rows miss it."""
    if isinstance(fate, Encoding) and not fate.features:
        return Dropped(fate.name, "constant", "is constant where it is not missing")
    return fate


def _decide_on_numbers(table: TableSource, sampled: NDArray[np.int64]) -> dict[str, Encoding | Dropped]:
    """Decide on the columns that are numbers; the others are not in the result."""
    booleans: set[str] = set()
    profiles = {name: NumberProfile() for name in table.columns}
    for rows, batch in _numbered(table, table.columns):
        here = _within(sampled, rows)
        for field, column in zip(batch.schema, batch.columns, strict=True):
            profile = profiles.get(field.name)
            if profile is None:
                continue
            if pa.types.is_boolean(field.type):
                booleans.add(field.name)
            if not is_moment_type(field.type):
                profile.add(column, table.decimal, here)
            if is_moment_type(field.type) or profile.is_hopeless:
                del profiles[field.name]
    found = {name: number_role(name, profiles[name], is_boolean=name in booleans) for name in profiles}
    return {name: fate for name, fate in found.items() if fate is not None}


def _within(ascending: NDArray[np.int64], rows: slice) -> NDArray[np.int64]:
    """Return which of some rows lie in a batch, counted from its start."""
    first, last = np.searchsorted(ascending, [rows.start, rows.stop])
    return np.asarray(ascending[first:last] - rows.start)


def _notes_on(dropped: Sequence[Dropped]) -> list[str]:
    """Return a note for each column left out, or one for a role where there are many."""
    notes = []
    for role in dict.fromkeys(fate.role for fate in dropped):
        fates = [fate for fate in dropped if fate.role == role]
        if len(fates) <= _LISTED_COLUMNS:
            notes += [fate.note for fate in fates]
        else:
            what = "numbers or names of rows" if role == "id" else role
            notes.append(f"{len(fates)} columns are {what}: left out ({_listed([f.name for f in fates])})")
    return notes


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_LISTED_COLUMNS]))
    return f"{shown} and {len(names) - _LISTED_COLUMNS} more" if len(names) > _LISTED_COLUMNS else shown


def _sentence(words: Sequence[str], n_faults: int) -> str:
    parts = [part for part in words if part]
    if n_faults > _MOST_REASONS:
        parts.append(f"and {n_faults - _MOST_REASONS} more cells that are infinite or of another type")
    return "; ".join(parts) or "no single column stands out"
