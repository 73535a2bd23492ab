"""Which extra of ours brings a package that is not installed (row C21, design AD12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from kmflow_orchestration.errors import MissingDependency

MODULES: Mapping[str, tuple[str, ...]] = {
    "databricks-sql": ("databricks.sql", "databricks.sqlalchemy", "pandas"),
    "convert": (
        *("backports.zstd", "charset_normalizer", "cramjam", "duckdb", "fastavro", "lxml"),
        *("msoffcrypto", "numpy", "olefile", "oxmsg", "puremagic", "pypdfium2", "pyreadstat"),
        *("python_calamine", "selectolax", "striprtf"),
    ),
    "seven-zip": ("py7zr",),
    "pdf-tables": ("pdfplumber",),
    "media": ("PIL", "pillow_heif", "pymediainfo"),
    "embedded": ("deltalake", "grpc", "pysail", "pyspark", "sqlglot", "starlette"),
    "postgres": ("dagster_postgres", "psycopg"),
    "demo": ("openpyxl", "palmerpenguins", "vega_datasets"),
    "orchestrator": (
        *("alembic", "cronsim", "cryptography", "dagster", "dagster_databricks"),
        *("dagster_webserver", "databricks.sdk", "dotenv", "fastapi", "filelock", "psutil"),
        *("pyarrow", "pydantic", "pydantic_settings", "requests", "rich", "sqlalchemy"),
        *("typer", "uvicorn", "yaml"),
    ),
}
"""Extra → the packages it brings, each under the first extra that is enough for its use."""

EVERYTHING = "all"


def extra_of(module: str) -> str:
    """The extra that brings a module; `all` for one that none of them names."""
    parts = module.split(".")
    names = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return next((extra for extra, known in MODULES.items() if names & set(known)), EVERYTHING)


def missing(error: ModuleNotFoundError) -> MissingDependency:
    """The error for people, with the line that installs what is missing."""
    name = error.name or "a package"
    return MissingDependency(
        f"{name} is not installed",
        hint=f"pip install 'kmflow_orchestration[{extra_of(name)}]'",
    )


@contextmanager
def naming_extras() -> Iterator[None]:
    """The block imports what an extra brings. Raises MissingDependency where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing(error) from error
