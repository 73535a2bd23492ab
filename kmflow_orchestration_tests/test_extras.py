"""Row C21: what happens without an extra, in processes in which its packages cannot be imported."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kmflow_orchestration.errors import MissingDependency
from kmflow_orchestration.extras import EVERYTHING, MODULES, extra_of, missing

WITHOUT = """
import sys
BLOCKED = {blocked!r}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in BLOCKED):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from pathlib import Path
from kmflow_orchestration.errors import MissingDependency
def told(action):
    try:
        print("done", action())
    except MissingDependency as error:
        print(error.exit_code, error.code, error)
"""
LOCAL_TABLES = """
from kmflow_orchestration.config.group_input import parse_group
from kmflow_orchestration.config.settings import load_settings
from kmflow_orchestration.context import Context
with Context(load_settings(home=sys.argv[1])) as context:
    context.migrate()
    context.group_configs.save("acme", parse_group("acme", {}), "a person")
    told(lambda: context.group("acme").lakehouse)
    told(lambda: context.group("acme").store.list_files("loans-1"))
"""
CONVERTING_START = """
from kmflow_orchestration.converters.interface import Source
from kmflow_orchestration.converters.staging import StagingTask, stage_item
def converted(name, content):
    path = Path(sys.argv[1]) / name
    path.write_bytes(content)
    return stage_item(StagingTask("item", Source(path, name), path.parent, {})).outcome
"""
CONVERTING_MEDIA = (
    CONVERTING_START
    + r"""
told(lambda: converted("a.png", b"\x89PNG\r\n\x1a\n" + bytes(60)))
told(lambda: converted("a.flac", b"fLaC" + bytes(60)))
"""
)
CONVERTING = (
    CONVERTING_START
    + """
import io, zipfile
book = io.BytesIO()
with zipfile.ZipFile(book, "w") as archive:
    archive.writestr("[Content_Types].xml", "<Types/>")
    archive.writestr("xl/workbook.xml", "<workbook/>")
told(lambda: converted("loans.csv", b"id,amount\\n1,2\\n2,3\\n"))
told(lambda: converted("loans.xlsx", book.getvalue()))
told(lambda: converted("picture.bin", bytes(range(256))))
"""
)
STEP = """
import dagster as dg
from kmflow_orchestration.resources.failures import failing_as_dagster
@dg.op
def work():
    with failing_as_dagster():
        import pysail
@dg.job
def job():
    work()
result = job.execute_in_process(raise_on_error=False)
[failed] = result.get_step_failure_events()
print(failed.step_failure_data.user_failure_data.description)
"""


def run(blocked: tuple[str, ...], code: str, *arguments: str) -> list[str]:
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(blocked=blocked) + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()


@pytest.mark.slow
def test_local_tables_without_their_engine_name_the_extra(tmp_path: Path) -> None:
    told, kept = run(MODULES["embedded"], LOCAL_TABLES, str(tmp_path))

    assert told.startswith("3 KM-CONFIG-005 ")
    assert "(pip install 'kmflow_orchestration[embedded]')" in told
    assert kept == "done []"  # files need no engine


@pytest.mark.slow
def test_a_file_whose_reader_is_missing_is_no_bad_file(tmp_path: Path) -> None:
    csv, book, unknown = run(MODULES["convert"], CONVERTING, str(tmp_path))

    assert csv == "done converted"
    for told in (book, unknown):
        assert told.startswith("3 KM-CONFIG-005 ")
        assert "(pip install 'kmflow_orchestration[convert]')" in told


@pytest.mark.slow
def test_a_picture_without_its_reader_names_its_own_extra(tmp_path: Path) -> None:
    told = run(MODULES["media"], CONVERTING_MEDIA, str(tmp_path))

    assert len(told) == 2
    for one in told:
        assert one.startswith("3 KM-CONFIG-005 ")
        assert "(pip install 'kmflow_orchestration[media]')" in one


@pytest.mark.slow
def test_a_step_that_lacks_a_package_fails_with_the_line_that_installs_it() -> None:
    [told] = run(("pysail",), STEP)

    assert told == (
        "[KM-CONFIG-005] pysail is not installed "
        "(pip install 'kmflow_orchestration[embedded]')"
    )  # fmt: skip


def _brought_by() -> dict[str, set[str]]:
    """Distribution, in lower case → the extras that pyproject.toml lists it in."""
    found: dict[str, set[str]] = {}
    for text in importlib.metadata.requires("kmflow_orchestration") or ():
        name = re.match(r"[A-Za-z0-9._-]+", text)
        extra = re.search(r"extra == ['\"]([a-z-]+)['\"]", text)
        if name and extra and extra[1] in MODULES:
            found.setdefault(_normal(name[0]), set()).add(extra[1])
    return found


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_each_package_is_said_to_come_with_an_extra_that_brings_it() -> None:
    brought, modules = _brought_by(), importlib.metadata.packages_distributions()
    # Three distributions share `databricks`: they are told apart below.
    named = {one for names in MODULES.values() for one in names if "." not in one}
    wrong, listed = [], set()
    for module in named & set(modules):
        of = {_normal(one) for one in modules[module]} & set(brought)
        listed |= of
        if of and extra_of(module) not in set().union(*(brought[one] for one in of)):
            wrong.append(module)
    assert wrong == []
    # `backports` is shared, too, and Python has its own later on.
    unlisted = set(brought) - listed - {"databricks-sdk", "backports-zstd"}
    assert unlisted == {"databricks-sql-connector", "databricks-sqlalchemy"}
    assert extra_of("databricks.sdk.core") == "orchestrator"
    assert extra_of("databricks.sql.client") == "databricks-sql"


@pytest.mark.parametrize("name", ["nobodys_package", "", None])
def test_a_package_of_no_extra_comes_with_all_of_them(name: str | None) -> None:
    found = missing(ModuleNotFoundError("?", name=name))

    assert isinstance(found, MissingDependency)
    assert found.exit_code == 3
    assert f"[{EVERYTHING}]" in found.hint
