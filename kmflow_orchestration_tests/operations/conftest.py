"""Fixtures of the operations' tests: landing places, as the intake tests have them."""

from __future__ import annotations

from kmflow_orchestration_tests.intake.conftest import acme, empty_control_database, new_place

__all__ = ["acme", "empty_control_database", "new_place"]
