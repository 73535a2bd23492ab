"""Texts that tell one reading of the measures from another."""

from __future__ import annotations

TELLING = [
    "", " ", "0", "0.00", "00", "-", "..?", "99", "xX", "N/A", "(blank)", "[TBD]", "#na", "none ",
    "Anna", "ANNA", "anna", "An na", " a b  c ", "O'Neil", "ONEIL", "'x'", '"x"', "'", "''",
    "1,234", "1,23", "-$5.10", "12%", "+7", "€1,000.5", "1.", ".5", "12a", "1\n",
    "20240229", "20230229", "2024-02-29", "2024-13-01", "02/29/2024", "29/02/2024", "02-29-2024",
    "02-29-23", "12-31-69", "12-31-70", "05 Mar 2024", "05 MARCH 2024", "31 Feb 2024",
    "05 Abc 2024", "1799-12-31", "2200-12-31", "2201-01-01", "2024-02-29T10:00:00.123Z",
    "2024-02-29 24:00", "2024-02-29 10:00:00+02:00", "2024-02-29T10:61",
    "Ärger", "日本", "straße", "ǅ", "٣٤", "a\u200b", "a\u00a0b", "\ufeffx", "tab\there", "x\x01",
    "a much longer text than twenty-five characters",
]  # fmt: skip
