"""Lines and tables for people: wrapped on a terminal, whole lines everywhere else."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dross.report.wording import shorten

__all__ = ["print_table", "say"]

_LONGEST = 1_000


def say(console: Console, line: str = "") -> None:
    """Print a line as it is: no markup, no colours, no line breaks of ours."""
    console.print(_printable(line), highlight=False, markup=False, soft_wrap=True)


def print_table(console: Console, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a header; into a file or pipe one line each, whatever its length."""
    cells = [tuple(map(_printable, row)) for row in rows]
    if console.is_terminal:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in header:
            table.add_column(name, overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in [tuple(header), *cells]:
        say(console, "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _printable(text: str) -> str:
    """Keep line breaks and control characters of the data from acting on the terminal."""
    return shorten(text, _LONGEST).replace("\n", " ").replace("\t", " ")
