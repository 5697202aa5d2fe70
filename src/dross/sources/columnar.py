"""Typed tables: Parquet, Arrow, and tables in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.base import Unreadable
from dross.sources.streams import damage_named

__all__ = ["ArrowFileReader", "MemoryReader", "ParquetReader", "batch_rows"]

_BATCH_BYTES = 8 << 20


def batch_rows(n_columns: int, cell_bytes: int = 8) -> int:
    """Return how many rows make a batch of about 8 MiB: from 64 to 65 536."""
    return int(np.clip(_BATCH_BYTES // max(n_columns * cell_bytes, 1), 64, 1 << 16))


class _Reader(ABC):
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

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in self._read(list(columns), batch_rows(len(columns))):
            yield pa.record_batch([_takeable(column) for column in batch.columns], names=list(columns))

    @abstractmethod
    def _read(self, columns: list[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the columns, at most ``n_rows`` rows at a time."""


def _takeable(column: pa.Array) -> pa.Array:
    """Turn what Arrow cannot take rows of into what it stands for: views and runs."""
    if pa.types.is_dictionary(column.type):
        return pa.DictionaryArray.from_arrays(column.indices, _takeable(column.dictionary))
    if pa.types.is_run_end_encoded(column.type):  # Arrow's own decoder knows neither views nor dictionaries
        rows = column.offset + np.arange(len(column))
        runs = np.searchsorted(np.asarray(column.run_ends), rows, side="right")
        return _takeable(column.values).take(pa.array(runs))
    kind = _type_without_views(column.type)
    return column if kind == column.type else column.cast(kind)


def _type_without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _type_without_views(kind.value_type)
        return kind if inner == kind.value_type else pa.large_list(inner)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_type_without_views(field.type)) for field in kind])
    return kind


class MemoryReader(_Reader):
    """A table that is in memory."""

    def __init__(self, table: pa.Table, format_name: str) -> None:
        super().__init__(table.schema, len(table), {"format": format_name})
        self._table = table

    def _read(self, columns: list[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(columns).to_batches(max_chunksize=n_rows)


class ParquetReader(_Reader):
    """A Parquet file, read by row group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with damage_named(path, "Parquet"), pq.ParquetFile(path) as file:
            super().__init__(file.schema_arrow, file.metadata.num_rows, {"format": "Parquet"})

    def _read(self, columns: list[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        with damage_named(self._path, "Parquet"), pq.ParquetFile(self._path) as file:
            # Parquet takes "a" for a prefix of "a.b" too: hence the second selection.
            for batch in file.iter_batches(n_rows, columns=columns):
                yield batch.select(columns)


class ArrowFileReader(_Reader):
    """An Arrow IPC file (Feather version 2) or stream, read by record batch from a memory map."""

    def __init__(self, path: Path, *, is_stream: bool) -> None:
        self._path = path
        self._is_stream = is_stream
        with damage_named(path, "Arrow IPC"):
            with pa.memory_map(str(path)) as source, self._open(source) as reader:
                schema = reader.schema
            n_rows = sum(len(batch) for batch in self._all())
        super().__init__(schema, n_rows, {"format": "Arrow IPC"})

    def _open(self, source: Any) -> Any:
        return pa.ipc.open_stream(source) if self._is_stream else pa.ipc.open_file(source)

    def _all(self) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self._path)) as source, self._open(source) as reader:
            if self._is_stream:
                yield from reader
            else:
                yield from map(reader.get_batch, range(reader.num_record_batches))

    def _read(self, columns: list[str], n_rows: int) -> Iterator[pa.RecordBatch]:
        for batch in self._all():
            for start in range(0, len(batch), n_rows):
                yield batch.select(columns).slice(start, n_rows)
