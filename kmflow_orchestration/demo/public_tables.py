"""Real public tables out of small packages of data sets, read as files: their code is not run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from kmflow_orchestration.errors import MissingDependency

# Folder of the data files in each package.
_FOLDERS = {"palmerpenguins": "data", "vega_datasets": "_data"}


def public_table(package: str, name: str) -> bytes:
    """Bytes of a package's data file.

    Raises:
        MissingDependency: the package, or the file in it, is not installed.
    """
    # The package itself is not imported: doing so would load pandas.
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / _FOLDERS[package] / name
        if path.is_file():
            return path.read_bytes()
    raise MissingDependency(
        f"the demo's public table {name} comes with {package}",
        hint="pip install 'kmflow_orchestration[demo]'",
    )
