"""Model of the API tokens: whose they are and until when, and never a token."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from kmflow_orchestration.metadata.schema import Base, UtcDateTime


class ApiTokenRow(Base):
    """One API token of one group."""

    __tablename__ = "api_tokens"

    group_id: Mapped[str] = mapped_column(String(100), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    """The public part: safe to show, useless without the secret."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the secret, in hex."""
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by_email: Mapped[str] = mapped_column(String(255))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by_email: Mapped[str | None] = mapped_column(String(255))
