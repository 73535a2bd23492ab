"""Every command that takes a group, called for acme with globex's ids: globex stays as it was.

Commands are found, not listed: one written tomorrow fails here until it is tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kmflow_orchestration.cli.command_tree import command_tree
from kmflow_orchestration.clock import utc_day
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
from kmflow_orchestration.intake.arrivals import sweep_all
from kmflow_orchestration.metadata.engine import open_engine
from kmflow_orchestration.metadata.schema import Base
from kmflow_orchestration.names import GroupId
from kmflow_orchestration.operations.store_evidence import store_batch
from kmflow_orchestration_tests.cli.conftest import Kmflow, home, kmflow
from kmflow_orchestration_tests.embedded import Room

__all__ = ["home", "kmflow"]

WEIGHTS = "completeness=0.1,reliability=0.1,freshness=0.7,consistency=0.1"
_GROUP_PARAMETERS = {"group", "groups"}


@dataclass(frozen=True)
class World:
    """acme and globex, set up alike; globex has an engagement, a token and a file."""

    room: Room
    home: Path
    run: Kmflow
    token_id: str
    their_file: str
    their_item: str
    tree: str

    @property
    def their_folder(self) -> str:
        return self.their_file.rpartition("/")[0]

    def of_globex(self) -> dict[str, Any]:
        """All of globex's rows, its file, and how often its principal called the workspace."""
        engine = open_engine(f"sqlite:///{self.home / 'control.db'}")
        with engine.connect() as connection:
            found: dict[str, Any] = {
                table.name: sorted(
                    repr(tuple(row))
                    for row in connection.execute(sa.select(table))
                    if row._mapping.get("group_id") == "globex"
                )
                for table in Base.metadata.sorted_tables
            }
        engine.dispose()
        files = self.room.group("globex").client().files
        with files.download(self.their_file).contents as content:
            found["file"] = content.read()
        listed = files.list_directory_contents(self.their_folder)
        found["folder"] = sorted(str(entry.name) for entry in listed)
        return found

    def calls_of_globex(self) -> int:
        return self.room.server.requests().count(principal=self.room.group("globex").principal)


@pytest.fixture
def world(
    room: Room, kmflow: Kmflow, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> World:
    monkeypatch.setenv("STORAGE_BACKEND", "databricks")
    monkeypatch.setenv("KMFLOW_QUIET_PERIOD_S", "0")
    warehouse = room.server.services.warehouses.default_id(room.admin.workspace_id)
    for group in ("acme", "globex"):
        seeded = room.group(group)
        monkeypatch.setenv(f"{group.upper()}_TOKEN", seeded.token)
        settings = {
            "catalog": group,
            "schema": "main",
            "evidence_volume": "evidence",
            "workspace_url": room.url,
            "warehouse_id": warehouse,
            "token": f"env:{group.upper()}_TOKEN",
            "allow_insecure_loopback": "true",
            "landing_path": str(tmp_path / "landing" / group),
        }
        words = [f"{name}={value}" for name, value in settings.items()]
        made = kmflow("group", "create", group, *words)
        assert made.code == 0, made.err
    (tmp_path / "landing" / "globex" / "theirs").mkdir(parents=True)
    (tmp_path / "landing" / "globex" / "theirs" / "a.csv").write_text("a")
    with Context(load_settings()) as context:
        globex = context.group(GroupId("globex"))
        sweep_all(globex.id, globex.landing_root, ledger=context.ledger, clock=context.clock)
        store_batch(globex.id, utc_day(context.clock.now()), **globex.storing())
        (their_item,) = context.register.items(globex.id, limit=1)
    given = kmflow("token", "create", "--group", "globex", "--role", "admin", "--json").json
    file = room.group("globex").upload("outputs/theirs.csv", b"theirs")
    tree = tmp_path / "tree"
    (tree / "theirs").mkdir(parents=True)
    (tree / "theirs" / "a.csv").write_text("a")
    return World(room, home, kmflow, given["id"], file, their_item.item_id, str(tree))


# Arguments of each, with what is globex's in braces.
ATTEMPTS = {
    "provision": "--group acme",
    "grants": "--group acme --to globex-service",
    "backfill-metadata": "--group acme --prune",
    "dedupe-metadata": "--group acme --apply",
    "register-tables": "--group acme",
    "tables history": "bronze.bronze_evidence_raw --group acme",
    "tables optimize": "bronze.bronze_evidence_raw --group acme",
    "tables vacuum": "bronze.bronze_evidence_raw --group acme",
    "tables restore": "bronze.bronze_evidence_raw 0 --group acme --yes",
    "doctor": "--group acme --fix",
    "group create": "acme catalog=globex",
    "group set": "acme catalog=globex schema=main",
    "group disable": "acme",
    "group export": "acme",
    "group show": "acme",
    "group history": "acme --audit",
    "group check": "acme",
    "group discover": "acme --catalog globex",
    "engagement list": "--group acme",
    "engagement set": f"theirs --group acme --quality-weights {WEIGHTS}",
    "dataset set": "theirs__a.id --group acme --type text",
    "dataset unset": "1 --group acme",
    "dataset corrections": "--group acme --engagement theirs",
    "dataset replay": "--group acme",
    "evidence list": "--group acme",
    "rollback plan": "--group acme",
    "rollback deliver": "--group acme",
    "stages": "--group acme",
    "dataset drift": "--group acme --table theirs__loans",
    "dataset readings": "--group acme --table theirs__loans",
    "evidence download": "{their_item} --group acme",
    "evidence delete": "{their_item} --group acme --yes",
    "migrate to-databricks": "--group acme --source-dir {tree}",
    "migrate from-databricks": "--group acme --target-dir {tree}-back --engagement theirs",
    "verify migration": "--group acme --source-dir {tree} --engagement theirs",
    "verify output": "{their_file} --group acme --source {tree}/theirs/a.csv",
    "files why": "theirs/a.csv --group acme",
    "quarantine list": "--group acme --accepted",
    "quarantine show": "{their_item} --group acme",
    "quarantine retry": "{their_item} --group acme",
    "quarantine accept": "{their_item} --group acme --reason fine",
    "trace": "bronze_evidence_raw evidence_item_id={their_item} --group acme",
    "token create": "--group acme --role admin",
    "token list": "--group acme",
    "token revoke": "{token_id} --group acme",
    "config show": "--group acme",
    "output list": "--group acme",
    "output browse": "{their_file} --group acme",
    "output delete": "{their_file} --group acme",
    "output retry": "--group acme",
    "auth show": "--group acme",
    "db test": "--group acme",
    "convert": "{their_file} {their_folder}/new/ --group acme --force",
    "batch-convert": "{their_folder} --group acme",
    "info": "{their_file} --group acme",
    "validate": "{their_file} --group acme",
    "databricks convert": "{tree}/theirs/a.csv {their_folder}/new/ --group acme",
    "databricks batch-convert": "{tree}/theirs {their_folder}/new --group acme",
    "databricks config": "--group acme",
    "databricks test": "{their_folder} --group acme",
}
# What these say names globex because it was asked for by that name, or is another's already.
NAMED_BY_THE_CALLER = {
    *("group create", "group set", "group discover", "group history"),
    *("engagement set", "output browse", "output delete", "grants"),
    *("convert", "batch-convert", "info", "validate", "verify output"),
    *("databricks convert", "databricks batch-convert", "databricks test"),
}


def commands_with_a_group() -> set[str]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[str]:
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*path, name))
        if _GROUP_PARAMETERS & {one.name for one in command.params}:
            yield " ".join(path)

    return set(walk(command_tree(""), ()))


def test_every_command_that_takes_a_group_is_tried() -> None:
    assert ATTEMPTS.keys() == commands_with_a_group()


@pytest.mark.sqlite
def test_no_command_for_acme_touches_globex(world: World) -> None:
    before = world.of_globex()
    touched: dict[str, str] = {}
    for name, template in ATTEMPTS.items():
        arguments = template.format(**vars(world), their_folder=world.their_folder)
        world.room.server.services.request_log.clear()
        outcome = world.run(*name.split(), *arguments.split())
        if world.calls_of_globex():
            touched[name] = "globex's principal called the workspace"
        after = world.of_globex()
        changed = [place for place, content in before.items() if after[place] != content]
        if changed:
            touched[name] = f"changed: {changed}"
            before = after
        if name not in NAMED_BY_THE_CALLER and "globex" in outcome.out + outcome.err:
            touched[name] = json.dumps([outcome.out, outcome.err])
    assert touched == {}
    assert before["api_tokens"]
    assert before["landing_files"]
