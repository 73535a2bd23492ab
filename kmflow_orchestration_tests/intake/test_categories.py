"""Category, format and media type by name."""

from __future__ import annotations

import pytest

from kmflow_orchestration.intake import categories


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("a.PDF", "documents"),
        ("a.md", "documents"),
        ("noextension", "documents"),
        ("a.xyz", "documents"),
        ("loans.xlsx", "structured_data"),
        ("flow.dmn", "bpm_process_models"),
        ("mail.eml", "domain_communications"),
        ("x.sap_export", "saas_exports"),
    ],
)
def test_the_extension_gives_the_category(name: str, category: str) -> None:
    assert categories.category_of(name) == category


def test_every_mapped_extension_has_one_of_the_twelve() -> None:
    assert set(categories._CATEGORY_OF.values()) == set(categories.CATEGORIES)
    assert len(categories.CATEGORIES) == 12


def test_format_and_media_type_are_hints_from_the_name() -> None:
    assert categories.format_of("Loans.CSV") == "csv"
    assert categories.format_of("README") == "unknown"
    assert categories.media_type_of("Loans.CSV") == "text/csv"
    assert categories.media_type_of("a.xyz") == "application/octet-stream"
