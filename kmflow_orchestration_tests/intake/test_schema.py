"""The migration makes exactly the tables that the code names."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData

from kmflow_orchestration.metadata import intake_tables
from kmflow_orchestration.metadata.engine import open_engine
from kmflow_orchestration.metadata.schema import NAMING, Base


def test_the_intake_migration_agrees_with_the_models(empty_control_database: Path) -> None:
    ours = MetaData(naming_convention=NAMING)
    for mapper in Base.registry.mappers:
        if mapper.class_.__module__ == intake_tables.__name__:
            mapper.local_table.to_metadata(ours)
    engine = open_engine(f"sqlite:///{empty_control_database}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in ours.tables,
            },
        )
        assert compare_metadata(context, ours) == []
    assert len(ours.tables) == 9
