"""Models of outputs of tasks: what was written where, and what could not be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from kmflow_orchestration.metadata.schema import Base, UtcDateTime

_ID = String(64)


class _Output:
    """Columns that a written output and a failed one share."""

    group_id: Mapped[str] = mapped_column(_ID)
    path: Mapped[str] = mapped_column(String(4096))
    place: Mapped[str] = mapped_column(String(4096))
    """Where the group's outputs went when this one was written: its path begins with it."""
    task_key: Mapped[str] = mapped_column(String(512))
    partition_key: Mapped[str] = mapped_column(String(512))
    file_format: Mapped[str] = mapped_column(String(16))
    shape: Mapped[dict[str, Any]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(_ID)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    dagster_run_id: Mapped[str] = mapped_column(_ID)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OutputFileRow(_Output, Base):
    """The newest bytes at one path of a group."""

    __tablename__ = "output_files"
    __table_args__ = (
        Index("ix_output_files_task", "group_id", "task_key", "partition_key", "written_at"),
    )

    output_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    """Derived from group and path, which is too long for a key."""


class UploadFailureRow(_Output, Base):
    """An upload that was given up (row A16); open until `ended_at` says when it was made good."""

    __tablename__ = "upload_failures"
    __table_args__ = (
        Index("ix_upload_failures_output", "group_id", "output_id"),
        Index("ix_upload_failures_open", "group_id", "ended_at"),
    )

    failure_id: Mapped[str] = mapped_column(_ID, primary_key=True)
    output_id: Mapped[str] = mapped_column(_ID)
    verify: Mapped[str] = mapped_column(String(16))
    tries: Mapped[int]
    last_tried_at: Mapped[datetime] = mapped_column(UtcDateTime)
    error_code: Mapped[str] = mapped_column(String(64))
    error_message: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
