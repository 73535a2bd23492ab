"""What the purchasing engagements of both groups have in common: names, and one whole file."""

from __future__ import annotations

import random

from kmflow_orchestration.demo.column_kit import Table
from kmflow_orchestration.demo.demo_file import DemoFile
from kmflow_orchestration.demo.file_formats import delimited

PURCHASING = "procure-to-pay"
PURCHASING_STEPS = (
    "Create requisition",
    "Approve requisition",
    "Send order",
    "Receive goods",
    "Match invoice",
    "Release payment",
)
_ACCOUNTS = Table(
    ("account", "account_name", "kind"),
    (
        ("1200", "Trade receivables", "asset"),
        ("2100", "Trade payables", "liability"),
        ("4000", "Sales", "income"),
        ("5200", "Cost of materials", "expense"),
        ("6100", "Wages and salaries", "expense"),
        ("7000", "Interest", "expense"),
    ),
)


def _chart(_rng: random.Random) -> bytes:
    return delimited(_ACCOUNTS)


# Byte for byte the same in both groups: equal content must not make them meet.
CHART_OF_ACCOUNTS = DemoFile(f"{PURCHASING}/chart_of_accounts.csv", _chart)
