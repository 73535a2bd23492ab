"""A group's name becomes folders, files and addresses: none of them leaves its place."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kmflow_orchestration.access.caller import private_group_id
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.errors import ConfigurationError, KmflowError
from kmflow_orchestration.names import VolumePath

HOME = Path("/srv/kmflow")
SETTINGS = load_settings(home=str(HOME))
ROOTS = (SETTINGS.evidence_root, SETTINGS.lakehouse_root, SETTINGS.landing_root)
TRICKS = [
    "..", "../acme", "acme/../globex", "/etc", "acme/", "acme\\globex", "acme\x00", "acme\n",
    "%2e%2e", "acme%2fglobex", "~", "ac me", "ACME", "\u0430cme", "a.b", "acme|globex",
    "acme,globex", "-acme", "_acme", "a" * 64, "C:", "con.", "$HOME", "${HOME}", "acme;rm",
    "\uff03", "\uff41cme",
]  # fmt: skip


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.__name__)
@pytest.mark.parametrize("name", TRICKS, ids=repr)
def test_a_trick_is_no_group_and_gets_no_folder(root, name):
    with pytest.raises(ConfigurationError):
        root(name)
    with pytest.raises(ConfigurationError):
        parse_group(name, {})


@given(st.text(max_size=70))
@example("acme")
def test_any_text_names_a_folder_right_below_its_root_or_none(name):
    for root in ROOTS:
        with suppress(ConfigurationError):
            folder = root(name)
            assert folder.parent == root("acme").parent
            assert folder.resolve() == folder
            assert folder.name == name


@given(st.text(max_size=70), st.text(max_size=70))
def test_two_groups_never_get_one_folder(one, other):
    for root in ROOTS:
        with suppress(ConfigurationError):
            assert (root(one) == root(other)) is (one == other)


@given(st.emails())
def test_the_group_of_an_address_gets_a_folder_as_well(email):
    group = private_group_id(email)
    assert SETTINGS.landing_root(group) == HOME / "landing" / group


@given(
    st.text(max_size=30),
    st.sampled_from(["volume_path", "knowledge_volume_path", "landing_path", "config_file"]),
)
@example("/Volumes/a/b/c/../../d", "volume_path")
@example("a/../../b", "landing_path")
def test_a_path_in_the_settings_has_no_way_up(text, name):
    with suppress(KmflowError):
        value = getattr(parse_group("acme", {name: text}), name) or ""
        assert ".." not in value.split("/")
        if name.endswith("volume_path") and value:
            assert VolumePath.parse(value).text == value


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_volume_is_made_of_names_that_stand_for_themselves(catalog, schema, volume):
    with suppress(KmflowError):
        values = {"catalog": catalog, "schema": schema, "evidence_volume": volume}
        config = parse_group("acme", values).to_config(1)
        assert VolumePath.parse(config.volume.text) == config.volume
        assert config.volume.text.count("/") == 4
