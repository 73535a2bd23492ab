"""What a column is about, read from the words of its name."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")

PERSON_OR_PLACE = frozenset(
    {
        "Address",
        "City",
        "Entity Name",
        "Person Full Name",
        "Person Given Name",
        "Person Last Name",
    }
)

# In order; the first whose words stand anywhere in the name decides.
_BY_WORD = (
    ("Zip", frozenset({"zip", "zipcode", "postal", "postcode"})),
    ("Email", frozenset({"email", "mail"})),
    ("Phone", frozenset({"phone", "tel", "mobile", "fax"})),
    ("Address", frozenset({"address", "street", "addr"})),
    ("City", frozenset({"city", "town"})),
    ("State", frozenset({"state", "province"})),
)
# In order; these need the word `name` beside them.
_BY_WORD_AND_NAME = (
    ("Person Given Name", frozenset({"first", "given"})),
    ("Person Last Name", frozenset({"last", "sur", "family"})),
    ("Person Full Name", frozenset({"full", "person", "contact", "employee"})),
    (
        "Entity Name",
        frozenset({"company", "vendor", "supplier", "customer", "client", "account"}),
    ),
)
# In order; these must be the last word.
_BY_LAST_WORD = (
    ("ID", frozenset({"id", "key", "sk"})),
    ("Period", frozenset({"year", "quarter", "month", "week", "period"})),
)


def words_of(column_name: str) -> tuple[str, ...]:
    """Words of a name in lower case, split at non-letters and at changes of case.

    A run of capitals is one word: `customerID` is customer, id; `IDNumber` is id, number.
    """
    return tuple(word.lower() for word in _WORD.findall(column_name))


def functional_type(column_name: str) -> str:
    """Functional type by the words of a column's name; `Unknown` when none fits."""
    words = words_of(column_name)
    present = frozenset(words)
    for name, signs in _BY_WORD:
        if present & signs:
            return name
    if "name" in present:
        for name, signs in _BY_WORD_AND_NAME:
            if present & signs:
                return name
    for name, signs in _BY_LAST_WORD:
        if words and words[-1] in signs:
            return name
    return "Unknown"
