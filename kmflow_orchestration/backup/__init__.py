"""One file that holds what cannot be made again: control database and Dagster storage (row G22)."""
