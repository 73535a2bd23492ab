"""Evidence intake, faithful conversion and profiling, orchestrated over Databricks by Dagster."""

__version__ = "0.1.0"
