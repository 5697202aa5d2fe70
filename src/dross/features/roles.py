"""From what a pass has told of a column to how it is encoded, or why it is left out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dross.features.encodings import (
    FALSE,
    TRUE,
    Boolean,
    Categorical,
    DateTime,
    Encoding,
    Numeric,
    Scale,
    in_quotes,
    rarities,
    rarity,
)
from dross.features.profiles import MomentProfile, NumberProfile, Spread, ValueProfile, most_left_out
from dross.features.text_encoding import FreeText

__all__ = ["Dropped", "describe", "number_role", "value_role"]

MOST_CATEGORIES = 100
_MOST_COUNTED = 1_000_000  # values of a column whose counts a model keeps, in 16 bytes each
_NUMBER_SHARE = 0.95
_WORDS_OF_TEXT = 3.0
_FEWEST_ROWS_OF_IDS = 10
_ABSURD = 1e4  # the standard deviation, in widths of the middle 90 %, beyond which a few values spoil it
_TRUTH_PAIRS = [{true, false} for true, false in zip(TRUE, FALSE, strict=True)]
_ID_NAME = re.compile(r"(.*[_\s.-])?(id|index|uuid|guid|key)|unnamed: 0|.*[a-z]I[dD]", re.IGNORECASE)


@dataclass(frozen=True)
class Dropped:
    """A column that no feature is made of: what it is (id, constant, empty) and why it goes."""

    name: str
    role: str
    why: str

    @property
    def note(self) -> str:
        return f"column {self.name!r} {self.why}: left out"


def number_role(name: str, profile: NumberProfile, *, is_boolean: bool) -> Encoding | Dropped | None:
    """Decide on a column read as numbers; None if it is no column of numbers.

    At least 95 % of what is not missing must be numbers; the rest counts as invalid.
    """
    n_finite, low, high = profile.spread.n, profile.spread.low, profile.spread.high
    if profile.rows == profile.missing:
        return Dropped(name, "empty", "is empty")
    if profile.number_share < _NUMBER_SHARE:
        return None
    is_gapless = n_finite == profile.rows
    if is_gapless and low == high:
        return Dropped(name, "constant", f"is constant ({low:g})")
    if is_gapless and _numbers_rows(name, profile):
        return Dropped(name, "id", "numbers the rows")
    counts = (profile.rows, profile.missing, profile.invalid)
    if is_boolean or (profile.is_whole and (low, high) == (0.0, 1.0)):
        true = round(math.ldexp(n_finite * profile.spread.mean, profile.spread.exponent))
        encoding: Encoding = Boolean(name, *counts, true, n_finite - true)
    else:
        sample = profile.sample()
        scale, note = _sane_scale(name, profile.spread.scale(), sample)
        encoding = Numeric(name, *counts, scale, _quantile(sample, 0.01), _quantile(sample, 0.99), note=note)
    encoding.note = _gaps_note(name, profile) or encoding.note
    return encoding


def _quantile(ascending: NDArray[np.float64], share: float) -> float:
    """Return a quantile as one of the values, so that none is computed out of range."""
    return float(ascending[round(share * (ascending.size - 1))]) if ascending.size else 0.0


def _numbers_rows(name: str, profile: NumberProfile) -> bool:
    if not profile.is_whole or profile.rows < _FEWEST_ROWS_OF_IDS:
        return False
    if profile.is_rising or profile.is_falling:
        return True
    sample = profile.sample()
    return bool(_ID_NAME.fullmatch(name)) and bool((np.diff(sample) > 0).all())


def _sane_scale(name: str, scale: Scale | None, sample: NDArray[np.float64]) -> tuple[Scale | None, str]:
    """Take the scale from the bulk of the values where a few absurd ones would squeeze it into a point."""
    low, high = _quantile(sample, 0.05), _quantile(sample, 0.95)
    width = high - low
    if scale is None or not 0 < math.ldexp(width, -scale.exponent) < scale.std / _ABSURD:
        return scale, ""
    bulk = Spread()
    bulk.add(sample[(sample >= low - 10 * width) & (sample <= high + 10 * width)])
    return bulk.scale(), f"column {name!r}: a few values are absurdly large; its scale is that of the others"


def _gaps_note(name: str, profile: NumberProfile) -> str:
    n_text = profile.invalid - profile.infinite
    parts = [f"{profile.infinite} infinite"] if profile.infinite else []
    parts += [f"{n_text} not a number, such as {in_quotes(profile.example)}"] if n_text else []
    return f"column {name!r}: {' and '.join(parts)}: taken as missing" if parts else ""


def value_role(name: str, profile: ValueProfile) -> Encoding | Dropped:
    """Decide on a column that is not numbers."""
    if not profile.present:
        return Dropped(name, "empty", "is empty")
    best = max(profile.moments.items(), key=lambda item: item[1].spread.n, default=None)
    if best is not None and best[1].spread.n >= _NUMBER_SHARE * profile.present:
        return _date_time(name, profile, *best)
    counts, frequent = profile.values.totals()[1], profile.values.frequent()
    if len(counts) == 1 and not profile.missing:
        return Dropped(name, "constant", f"is constant ({in_quotes(frequent[0][0])})")
    if len(frequent) == len(counts) and {value.lower() for value, _, _ in frequent} in _TRUTH_PAIRS:
        true = sum(count for value, count, _ in frequent if value.lower() in TRUE)
        return Boolean(name, profile.rows, profile.missing, 0, true, profile.present - true)
    if _is_text(profile.documents):
        text = FreeText.fit(name, profile.rows, profile.missing, profile.documents)
        if text is not None:
            return text
    if len(counts) > 1 and counts.max() == 1:
        return Dropped(name, "id", "has another value in every row")
    return _categorical(name, profile)


def _date_time(
    name: str, profile: ValueProfile, date_format: str, found: MomentProfile
) -> Encoding | Dropped:
    sample = found.sample()
    encoding = DateTime(
        name=name,
        rows=profile.rows,
        missing=profile.missing,
        invalid=profile.present - found.spread.n,
        date_format=date_format,
        scale=found.spread.scale(),
        varies_in_day=found.in_day.low < found.in_day.high,
        varies_in_week=found.days.low < found.days.high,
        low=_quantile(sample, 0.01),
        high=_quantile(sample, 0.99),
    )
    return encoding


def _is_text(documents: list[str]) -> bool:
    """Whether most values differ and have several words."""
    if len(documents) < 2:
        return False
    n_words = sum(len(document.split()) for document in documents)
    return len(set(documents)) > 0.5 * len(documents) and n_words >= _WORDS_OF_TEXT * len(documents)


def _categorical(name: str, profile: ValueProfile) -> Categorical:
    rows = profile.rows
    digests, counts = profile.values.totals()
    fewest = max(2, rows // 1000)
    frequent = [
        (-count, value, place) for value, count, place in profile.values.frequent() if count >= fewest
    ]
    told = sorted(frequent)[:MOST_CATEGORIES]
    rest = most_left_out(counts, _MOST_COUNTED)
    is_kept = counts > rest  # by count alone: a choice among equals would be one by chance
    ranked = np.sort(counts[is_kept])[::-1]
    mean = sum((ranked * rarities(ranked, rows)).tolist()) / rows
    n_rest = profile.present - int(ranked.sum())
    mean += (n_rest * rarity(rest, rows) + profile.missing * rarity(profile.missing, rows)) / rows
    return Categorical(
        name=name,
        rows=rows,
        missing=profile.missing,
        invalid=0,
        categories=[value for _, value, _ in told],
        category_digests=digests[[place for _, _, place in told]],
        digests=digests[is_kept],
        counts=counts[is_kept],
        rest=rest,
        mean_rarity=mean,
    )


def describe(encoding: Encoding | Dropped) -> dict[str, object]:
    """Return the JSON-able account of a column for the summary."""
    if isinstance(encoding, Dropped):
        return {"name": encoding.name, "role": encoding.role, "features": [], "why": encoding.why}
    return {
        "name": encoding.name,
        "role": encoding.role,
        "features": encoding.features,
        "missing": encoding.missing,
        "invalid": encoding.invalid,
    }
