"""Row C1: one switch, whose words are known; any other word is an error and never `false`."""

from __future__ import annotations

import pytest

from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.config.switches import FALSE, TRUE
from kmflow_orchestration.errors import ConfigurationError


@pytest.mark.parametrize("word", [*TRUE, "TRUE", " On "])
def test_words_that_mean_on(monkeypatch, word):
    monkeypatch.setenv("USE_DATABRICKS", word)
    assert load_settings().use_databricks


@pytest.mark.parametrize("word", [*FALSE, "No", " ", ""])
def test_words_that_mean_off(monkeypatch, word):
    monkeypatch.setenv("USE_DATABRICKS", word)
    assert not load_settings().use_databricks


def test_unset_is_off(monkeypatch):
    monkeypatch.delenv("USE_DATABRICKS", raising=False)
    assert not load_settings().use_databricks


@pytest.mark.parametrize("name", ["USE_DATABRICKS", "DATABRICKS_STRICT", "KMFLOW_TLS_VERIFY"])
@pytest.mark.parametrize("word", ["ture", "2", "ja", "10"])
def test_any_other_word_names_the_variable_and_the_words(monkeypatch, name, word):
    monkeypatch.setenv(name, word)
    with pytest.raises(ConfigurationError, match="1, true, yes, on, y, t or 0") as refusal:
        load_settings()
    assert refusal.value.fields == (name,)
    assert refusal.value.exit_code == 3
