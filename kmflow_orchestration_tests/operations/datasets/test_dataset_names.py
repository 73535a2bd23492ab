from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmflow_orchestration.names import EngagementId
from kmflow_orchestration.operations.dataset_names import dataset_key, shared_key, table_names

E1 = EngagementId("e-1")


@pytest.mark.parametrize(
    ("file_name", "key"),
    [
        ("loans.csv", "loans"),
        ("Loans.CSV", "loans"),
        ("loans_2026-11-01 (2).csv", "loans"),
        ("loans_20261101.csv", "loans"),
        ("2026.11.01 loans.csv", "loans"),
        ("loans - Copy.csv", "loans"),
        ("loans - Copy (3).csv", "loans"),
        ("Copy of loans.csv", "loans"),
        ("loans (copy).csv", "loans"),
        ("loans_2026-11 (another copy).csv", "loans"),
        ("loans (3rd copy) (copy 2).csv", "loans"),
        ("hard(copy)right.csv", "hard(copy)right"),
        ("loans_Nov2026.csv", "loans"),
        ("loans 20 November 2026.csv", "loans"),
        ("loans sept 26.csv", "loans"),
        ("loan_book_2026_q1.csv", "loan_book_q"),
        ("market_2026.csv", "market"),
        ("decisions 2026.csv", "decisions"),
        ("marching_orders.csv", "marching_orders"),
        ("2026-11-20.csv", ""),
        ("(2).csv", ""),
        ("loans_2026.json.gz", "loans"),
    ],
)
def test_next_months_file_is_the_same_dataset(file_name: str, key: str) -> None:
    assert dataset_key(file_name) == key


@pytest.mark.parametrize(
    ("file_name", "part", "name"),
    [
        ("loans.csv", "", "e_1__loans"),
        ("Loan Book.csv", "", "e_1__loan_book"),
        ("2026-11-20.csv", "", "e_1__data"),
        ("book.xlsx", "Sheet1", "e_1__book__sheet1"),
        ("book.xlsx", "Sheet2", "e_1__book__sheet2"),
        ("2026.xlsx", "Q1 2026", "e_1__data__q1_2026"),
        ("book.xlsx", "表", "e_1__book__sheet"),
    ],
)
def test_tables_are_named_after_engagement_and_dataset(
    file_name: str, part: str, name: str
) -> None:
    assert table_names(E1, dataset_key(file_name, part))[0] == name


def test_keys_that_clean_to_one_name_get_different_second_names() -> None:
    spaced, joined = (table_names(E1, key) for key in ("loan book", "loan_book"))

    assert spaced[0] == joined[0]
    assert spaced[1] != joined[1]


@given(st.text(min_size=1).filter(lambda text: "/" not in text), st.text())
def test_any_file_has_a_table_name_that_engines_take(file_name: str, part: str) -> None:
    for name in table_names(E1, dataset_key(file_name, part)):
        assert name.isascii()
        assert name.startswith("e_1__")
        assert len(name) < 200
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@given(st.text(min_size=1), st.text())
def test_what_files_share_is_no_files_own(name: str, part: str) -> None:
    assert shared_key("images") != dataset_key(name, part)


def test_what_files_share_is_named_after_what_it_is() -> None:
    plain, marked = table_names(E1, shared_key("images"))

    assert (plain, marked.startswith("e_1__images_")) == ("e_1__images", True)
