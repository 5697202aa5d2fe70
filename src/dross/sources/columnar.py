"""Typed tables: Parquet, Arrow, and tables in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import Unreadable

__all__ = ["ArrowFileReader", "MemoryReader", "ParquetReader", "batch_rows"]

_BATCH_BYTES = 8 << 20


def batch_rows(n_columns: int, cell_bytes: int = 8) -> int:
    """Return how many rows make a batch of about 8 MiB: from 64 to 65 536."""
    return int(np.clip(_BATCH_BYTES // max(n_columns * cell_bytes, 1), 64, 1 << 16))


class _Reader:
    """What the readers of typed tables share; see `dross.sources.tables.TableReader`."""

    decimal = "."

    def __init__(self, schema: pa.Schema, n_rows: int, facts: dict[str, Any]) -> None:
        self.schema = schema
        self.row_numbers: NDArray[np.int64] = np.arange(n_rows, dtype=np.int64)
        self.unreadable: list[Unreadable] = []
        self.notes: list[str] = []
        self.facts = facts
        if len(set(schema.names)) < len(schema.names):
            raise InputError(f"the {facts['format']} table has two columns of one name: rename one.")


class MemoryReader(_Reader):
    """A table that is in memory, or mapped from disk."""

    def __init__(self, table: pa.Table, format_name: str) -> None:
        super().__init__(table.schema, len(table), {"format": format_name})
        self._table = table

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = batch_rows(len(columns))
        yield from self._table.select(list(columns)).to_batches(max_chunksize=rows)


class ParquetReader(_Reader):
    """A Parquet file, read by row group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with pq.ParquetFile(path) as file:
                super().__init__(file.schema_arrow, file.metadata.num_rows, {"format": "Parquet"})
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}") from error

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self._path) as file:
            # Parquet takes "a" for a prefix of "a.b" too: hence the second selection.
            for batch in file.iter_batches(batch_rows(len(columns)), columns=list(columns)):
                yield batch.select(list(columns))


class ArrowFileReader(_Reader):
    """An Arrow IPC file (Feather version 2) or stream, read by record batch from a memory map."""

    def __init__(self, path: Path, *, is_stream: bool) -> None:
        self._path = path
        self._open: Callable[[Any], Any] = pa.ipc.open_stream if is_stream else pa.ipc.open_file
        self._is_stream = is_stream
        try:
            n_rows = sum(len(batch) for batch in self._all())
            with pa.memory_map(str(path)) as source:
                schema = self._open(source).schema
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read as Arrow IPC: {error}") from error
        super().__init__(schema, n_rows, {"format": "Arrow IPC"})

    def _all(self) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self._path)) as source, self._open(source) as reader:
            if self._is_stream:
                yield from reader
            else:
                yield from map(reader.get_batch, range(reader.num_record_batches))

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        rows = batch_rows(len(columns))
        for batch in self._all():
            for start in range(0, len(batch), rows):
                yield batch.select(list(columns)).slice(start, rows)
