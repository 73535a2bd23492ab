"""What others need for the same file, each run in a process of the peers' own environment.

Called by `benchmarks.conversion` as `python conversion_peers.py NAME SOURCE TARGET`; knows nothing
of this project. Each writes Parquet with zstd at level 1, typed as the peer itself sees fit.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

_DUCKDB = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
# Tables of the XML files with their paths and fields: this reader must be told what there is.
XML_TABLES = (
    (
        *("rows", "/rows", ["row"]),
        (
            ("id", "row/id", "Int64"),
            ("name", "row/name", "Utf8"),
            ("qty", "row/qty", "Int64"),
            ("price", "row/price", "Float64"),
            ("day", "row/day", "Utf8"),
            ("note", "row/note", "Utf8"),
        ),
    ),
)
NESTED_XML_TABLES = (
    (
        *("orders", "/orders", ["order"]),
        (
            ("id", "order/@id", "Int64"),
            ("name", "order/customer/name", "Utf8"),
            ("note", "order/customer/note", "Utf8"),
            ("day", "order/day", "Utf8"),
        ),
    ),
    (
        *("lines", "/orders/order/lines", ["order", "line"]),
        (("qty", "line/qty", "Int64"), ("price", "line/price", "Float64")),
    ),
)


def duckdb_csv(source: str, target: str) -> int:
    return _copied("read_csv", source, target)


def duckdb_csv_kind(source: str, target: str) -> int:
    """With everything it must be told to take dirty lines; those it cannot are left out."""
    told = "encoding => 'latin-1', delim => ';', parallel => false"
    forgiving = "ignore_errors => true, strict_mode => false, null_padding => true"
    return _copied("read_csv", source, target, f", {told}, {forgiving}")


def duckdb_json(source: str, target: str) -> int:
    return _copied("read_json", source, target)


def _copied(reader: str, source: str, target: str, options: str = "") -> int:
    import duckdb

    query = f"COPY (SELECT * FROM {reader}('{source}'{options})) TO '{target}' {_DUCKDB}"
    return int(duckdb.execute(query).fetchone()[0])


def polars_xlsx(source: str, target: str) -> int:
    import polars as pl

    frame = pl.read_excel(source, engine="calamine")
    frame.write_parquet(target, compression="zstd", compression_level=1)
    return frame.height


def gdal_dbf(source: str, target: str) -> int:
    from pyogrio.raw import read_arrow

    _, table = read_arrow(source)
    return _written(table, target)


def xml2arrow_xml(source: str, target: str) -> int:
    return _xml2arrow(XML_TABLES, source, target)


def xml2arrow_nested_xml(source: str, target: str) -> int:
    return _xml2arrow(NESTED_XML_TABLES, source, target)


def _xml2arrow(tables: object, source: str, target: str) -> int:
    import tempfile

    import pyarrow as pa
    from xml2arrow import XmlToArrowParser

    told = ["tables:"]
    for name, path, levels, fields in tables:  # type: ignore[attr-defined]
        told += [f"  - name: {name}", f"    xml_path: {path}", f"    levels: {levels}"]
        told += ["    fields:"]
        for field, below, kind in fields:
            told += [f"      - name: {field}", f"        xml_path: {path}/{below}"]
            told += [f"        data_type: {kind}", "        nullable: true"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as config:
        config.write("\n".join(told))
    found = XmlToArrowParser(config.name).parse(source)
    Path(config.name).unlink()
    return sum(
        _written(pa.Table.from_batches([batch]), f"{target}.{name}")
        for name, batch in found.items()
    )


def _written(table: object, target: str) -> int:
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, target, compression="zstd", compression_level=1)
    return int(table.num_rows)  # type: ignore[attr-defined]


_PEERS = {
    found.__name__: found
    for found in (
        *(duckdb_csv, duckdb_csv_kind, duckdb_json, polars_xlsx, gdal_dbf),
        *(xml2arrow_xml, xml2arrow_nested_xml),
    )
}


def main() -> None:
    name, source, target = sys.argv[1:]
    begun = time.perf_counter()
    rows = _PEERS[name](source, target)
    seconds = time.perf_counter() - begun
    spent = resource.getrusage(resource.RUSAGE_SELF)
    peak = next(
        int(line.split()[1]) * 1024 / 1e6
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmHWM:")
    )
    cpu_s = spent.ru_utime + spent.ru_stime
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak}))


if __name__ == "__main__":
    main()
