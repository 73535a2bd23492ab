from __future__ import annotations

import pytest

from kmflow_orchestration.profiling.functional_types import functional_type, words_of

CASES = {
    "zip": "Zip",
    "home_postal_code": "Zip",
    "postcode": "Zip",
    "email": "Email",
    "mail_address": "Email",
    "e_mail": "Email",
    "mobile_no": "Phone",
    "fax": "Phone",
    "telephone": "Unknown",
    "street_name": "Address",
    "addr1": "Address",
    "home_town": "City",
    "capacity": "Unknown",
    "state": "State",
    "estate": "Unknown",
    "first_name": "Person Given Name",
    "GivenName": "Person Given Name",
    "last_name": "Person Last Name",
    "family name": "Person Last Name",
    "surname": "Unknown",
    "contact_name": "Person Full Name",
    "customerName": "Entity Name",
    "customer": "Unknown",
    "customer_id": "ID",
    "orderKEY": "ID",
    "id_type": "Unknown",
    "paid": "Unknown",
    "fiscal_year": "Period",
    "year_built": "Unknown",
    "reporting-period": "Period",
    "name": "Unknown",
    "": "Unknown",
    "ID": "ID",
    "2024_month": "Period",
    "PostCode": "Unknown",
    "account_state": "State",
    "zip_id": "Zip",
}


@pytest.mark.parametrize(("name", "expected"), CASES.items())
def test_words_of_the_name_decide(name, expected):
    assert functional_type(name) == expected


def test_words_split_at_non_letters_and_changes_of_case():
    assert words_of("customerID2_IDNumber x") == ("customer", "id", "id", "number", "x")
