"""One self-contained HTML page that a reader needs nothing else for."""

from __future__ import annotations

from dross.report.page import render_report

__all__ = ["render_report"]
