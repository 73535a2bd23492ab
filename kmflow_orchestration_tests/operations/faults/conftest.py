"""Fixtures of these tests: landing places, and the embedded workspace where a fault is its."""

from __future__ import annotations

from kmflow_orchestration_tests.embedded import embedded_server, room

__all__ = ["embedded_server", "room"]
