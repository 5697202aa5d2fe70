"""Values and numbers as a reader sees them: shortened, printable, in plain words."""

from __future__ import annotations

import math
import re
from numbers import Integral, Real
from typing import Any

from dross.findings import Findings

__all__ = [
    "caution",
    "count",
    "flagged_rows",
    "headline",
    "number",
    "percent",
    "row_noun",
    "share_is_given",
    "shorten",
    "value_text",
]

# Control characters and lone surrogates are not allowed in HTML (file names that are no UTF-8 hold
# surrogates); zero-width and direction marks would let a value pass for another one.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def shorten(text: object, limit: int, tail: int = 0) -> str:
    """Return at most about ``limit`` printable characters of ``text``, the last ``tail`` ones kept.

    >>> shorten("photographs/2024/summer/IMG_0001.png", 24, tail=12)
    'photographs…IMG_0001.png'
    >>> shorten("a" + chr(0x202e) + "b", 24)
    'a\\\\u202eb'
    """
    shown = str(text)
    if len(shown) > limit:
        shown = shown[: limit - tail - 1] + "…" + (shown[-tail:] if tail else "")
    return _UNPRINTABLE.sub(_escape, shown.replace("\r\n", "\n").replace("\r", "\n"))


def number(value: float) -> str:
    """Return a score, loss or fact with four significant digits.

    >>> number(0.123456), number(1234567.0), number(12)
    ('0.1235', '1.235e+06', '12')
    """
    if isinstance(value, Integral):
        return count(int(value))
    return f"{value:.4g}"


def count(value: int) -> str:
    """Return a whole number; from 10 000 on in groups of three, parted by a narrow space."""
    return f"{value:,}".replace(",", "\u202f") if abs(value) >= 10_000 else str(value)


def percent(share: float) -> str:
    """Return a share in per cent: two decimals below 1 %, one from there on.

    >>> percent(0.0404), percent(0.0035), percent(0.0)
    ('4.0 %', '0.35 %', '0.0 %')
    """
    in_percent = 100.0 * share
    return f"{in_percent:.2f} %" if 0.0 < in_percent < 0.995 else f"{in_percent:.1f} %"


def value_text(value: Any, limit: int) -> str | None:
    """Return the text of an original cell, None where the value is missing."""
    if isinstance(value, Real) and not isinstance(value, bool | Integral):
        return None if math.isnan(value) else f"{float(value):.7g}"
    if isinstance(value, dict):
        value = ", ".join(f"{key} = {entry}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        value = ", ".join(str(entry) for entry in value[:50])
    if value is None or str(value) == "":
        return None
    return shorten(value, limit)


def row_noun(findings: Findings) -> str:
    """Return what one row is called: row, image, clip or document."""
    if findings.kind == "video":
        return "clip"
    if findings.kind == "features":
        return "segment"
    shows_images = any(finding.image is not None for finding in findings.top)
    if findings.kind == "image" or shows_images:
        return "image"
    return "document" if findings.kind == "text" else "row"


def flagged_rows(findings: Findings) -> int:
    """Return how many rows are flagged as anomalies."""
    return int((findings.labels == 1).sum())


def share_is_given(findings: Findings) -> bool:
    """Return whether the user gave the share of anomalies, so that nothing was estimated."""
    low, high = findings.contamination_interval
    return bool(low == high and findings.summary.get("share", {}).get("source") == "given")


def headline(findings: Findings) -> str:
    """Return the answer in one sentence: how many rows do not belong, and how sure that is."""
    flagged, total, noun = flagged_rows(findings), count(len(findings.anomaly_scores)), row_noun(findings)
    share = percent(findings.contamination)
    if share_is_given(findings):
        return f"{_how_many(flagged, total, noun)}: {share} (share given)"
    low, high = (percent(end) for end in findings.contamination_interval)
    level = f"{100 * findings.summary.get('share', {}).get('level', 0.9):.0f} % interval"
    if not flagged and not findings.separated:
        return f"None of {total} {noun}s is flagged: the share of anomalies may be {low} to {high} ({level})"
    return f"{_how_many(flagged, total, noun)}: {share} ({level} {low} to {high})"


def _how_many(flagged: int, total: str, noun: str) -> str:
    return f"{count(flagged)} of {total} {noun}s {'does' if flagged == 1 else 'do'} not belong"


def caution(findings: Findings) -> str | None:
    """Return the warning for scores without a clear gap, None where the scores do separate."""
    if findings.separated:
        return None
    noun = row_noun(findings)
    message = findings.summary.get("share", {}).get("message")
    what = (
        shorten(message, 300) if message else f"The scores show no gap between normal {noun}s and anomalies."
    )
    if share_is_given(findings):
        return f"{what} Which {noun}s fall just above or just below the threshold is uncertain."
    return (
        f"{what} This number is uncertain: look at the findings from the top, decide where to stop, and give "
        "that share."
    )
