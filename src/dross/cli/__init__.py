"""The command line: parse, call the library, print; nothing heavy is imported before it is needed."""

from __future__ import annotations

from dross.cli.app import main

__all__ = ["main"]
