"""What a lakehouse table looks like: columns, keys, and its CREATE statement."""

from __future__ import annotations

from dataclasses import dataclass

from kmflow_orchestration.names import TableName, literal, quoted


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `type` is Spark SQL's name for it, such as `BIGINT` or `DECIMAL(18,2)`."""

    name: str
    type: str
    nullable: bool = True
    comment: str = ""

    @property
    def ddl(self) -> str:
        parts = [quoted(self.name), self.type]
        if not self.nullable:
            parts.append("NOT NULL")
        if self.comment:
            parts.append(f"COMMENT {literal(self.comment)}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class TableDefinition:
    """A provisioned table.

    `layer` is "" for the base schema, else bronze, silver, gold or dq. `replaced_by` names the
    columns by which rows of this table are replaced (design AD3): a merge uses `key` instead.
    """

    layer: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    comment: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def create_sql(self, table: TableName) -> str:
        """`CREATE TABLE IF NOT EXISTS` in Databricks SQL, one column a line."""
        lines = [column.ddl for column in self.columns]
        if self.key:
            keys = ", ".join(quoted(name) for name in self.key)
            lines.append(f"CONSTRAINT {quoted('pk_' + self.name)} PRIMARY KEY ({keys})")
        text = (
            f"CREATE TABLE IF NOT EXISTS {table.sql} (\n  "
            + ",\n  ".join(lines)
            + "\n) USING DELTA"
        )
        if self.cluster_by:
            text += f"\nCLUSTER BY ({', '.join(quoted(name) for name in self.cluster_by)})"
        if self.comment:
            text += f"\nCOMMENT {literal(self.comment)}"
        return text


def string(name: str, *, nullable: bool = True, comment: str = "") -> Column:
    return Column(name, "STRING", nullable, comment)


def required(name: str, comment: str = "") -> Column:
    """A text column that is never NULL."""
    return Column(name, "STRING", nullable=False, comment=comment)
