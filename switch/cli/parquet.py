"""Canonical CSV as Parquet: the same cells, with types.

May use `canonical_csv` and `written_files`. pyarrow is large, and only who wants
Parquet waits for it. What a file was made of stands in its own metadata.
"""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO, Final

from switch.canonical_csv import (
    AMOUNT_COLUMNS,
    DATE_COLUMNS,
    MARK,
    NUMBER_COLUMNS,
    TIME_COLUMNS,
    is_text,
)
from switch.cli.written_files import hash_file, write_whole
from switch.errors import ConfigError

HASH_KEY: Final = b"payswitch.csv.sha256"
"""What the metadata call the hash of the table it was made of."""
AMOUNT_DIGITS: Final = 22
"""More than any sum that fits 64 bits has, with its two decimals."""
BLOCK_SIZE: Final = 4 << 20
"""Bytes of CSV that are read together."""
ZONE: Final = "+05:30"


def column_type(name: str) -> Any:
    """The type of a column, by its name."""
    import pyarrow as pa

    if name in NUMBER_COLUMNS:
        return pa.uint64()
    if name in AMOUNT_COLUMNS:
        return pa.decimal128(AMOUNT_DIGITS, 2)
    if name in DATE_COLUMNS:
        return pa.date32()
    if name in TIME_COLUMNS:
        return pa.timestamp("s", tz=ZONE)
    return pa.string()


def write_parquet(table: Path) -> tuple[Path, bool]:
    """Write the Parquet of a table beside it; whether this run has.

    One that is there was made of just this table, or ConfigError is raised.
    """
    import pyarrow.parquet as pq

    hashed, _ = hash_file(table)
    made_of = hashed.hexdigest().encode()
    whole = table.with_suffix(".parquet")
    if whole.exists():
        metadata = pq.read_schema(whole).metadata or {}
        if metadata.get(HASH_KEY) != made_of:
            raise ConfigError(f"{whole} is there and is not of {table.name}: move it")
        return whole, False

    def fill(file: BinaryIO) -> "hashlib._Hash":
        # Parquet ends with what it has; one that was cut off is begun anew.
        file.truncate(0)
        _convert(table, file, made_of)
        return hashed

    write_whole(whole, fill)
    return whole, True


def _convert(table: Path, file: BinaryIO, made_of: bytes) -> None:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    with table.open(encoding="utf-8", newline="") as opened:
        names = opened.readline().rstrip("\r\n").split(",")
    types = {name: column_type(name) for name in names}
    schema = pa.schema(list(types.items()), metadata={HASH_KEY: made_of})
    reader = pyarrow.csv.open_csv(
        table,
        read_options=pyarrow.csv.ReadOptions(block_size=BLOCK_SIZE, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=False,
        ),
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in reader:
            columns = [
                plain(column) if is_text(name) else column
                for name, column in zip(names, batch.columns, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def plain(column: Any) -> Any:
    """Texts as they were before they were made safe for a spreadsheet."""
    import pyarrow.compute as pc

    marked = pc.starts_with(column, MARK)
    return pc.if_else(marked, pc.utf8_slice_codeunits(column, 1), column)
