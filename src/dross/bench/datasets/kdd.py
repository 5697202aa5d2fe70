"""KDD Cup 1999, the 10 % training file: 41 columns of network connections, label = kind of traffic."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from dross.bench.datasets.base import Data, Dataset, Layout, TableRows, locate
from dross.sources.streams import damage_named

__all__ = ["COLUMNS", "KDD"]

_TEXTS = ("protocol_type", "service", "flag")
_LINE = """
duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins
logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files
num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate
srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count
dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate
dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate
"""
COLUMNS = tuple(_LINE.split())
"""Names of the 41 columns, in the order of the file, as in its kddcup.names."""


def _type(column: str) -> pa.DataType:
    if column in _TEXTS:
        return pa.string()
    return pa.float64() if column.endswith("_rate") else pa.int64()


def _read(name: str, place: Path) -> Data:
    path = locate(place, name)
    if path is None:
        raise FileNotFoundError(place / name)
    types = {column: _type(column) for column in COLUMNS} | {"label": pa.dictionary(pa.int32(), pa.string())}
    with damage_named(path):
        table = pc.read_csv(
            path,
            read_options=pc.ReadOptions(column_names=[*COLUMNS, "label"], use_threads=False),
            convert_options=pc.ConvertOptions(column_types=types),
        )
    label = table["label"].combine_chunks()
    names = np.array([name.rstrip(".") for name in label.dictionary.to_pylist()])
    return Data(TableRows(table.drop_columns(["label"])), names[label.indices.to_numpy()])


_NAMES = ("kddcup99_10_percent.gz", "kddcup.data_10_percent[.gz]")
KDD = Dataset(
    name="kdd",
    title="KDD Cup 1999 (10 %)",
    kind="table",
    layouts=tuple(Layout((name,), partial(_read, name), ("", "kdd", "kddcup99")) for name in _NAMES),
    source="http://kdd.ics.uci.edu/databases/kddcup99/kddcup99.html",
    licence="CC BY 4.0",
)
