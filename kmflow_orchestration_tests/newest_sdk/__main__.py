"""Walk through a served workspace, and run our own client's tests, with the newest SDK.

`python -m kmflow_orchestration_tests.newest_sdk <python with the newest SDK> [step …]`
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from kmflow_orchestration.workspace.own_token import own_token
from kmflow_orchestration.workspace.seeding import seed_group, seed_workspace
from kmflow_orchestration.workspace.server import EmbeddedWorkspace, databrickscfg

STEPS = Path(__file__).with_name("steps.py")
OUR_CLIENT = STEPS.parents[1] / "databricks_client"
SDK = "databricks-sdk"
TOKENS = {"acme": "token-of-acme", "globex": "token-of-globex"}
# What a person's shell knows of another workspace must not lead there.
_FOREIGN = ("DATABRICKS_", "KMFLOW_", "PYTHONPATH")
_WHERE = (
    "from importlib.metadata import distribution as d;"
    f"print(d({SDK!r}).version, d({SDK!r}).locate_file('databricks').resolve())"
)


def main(python: str, *steps: str) -> int:
    """Exit code of the steps and, unless some were named, of our client's tests."""
    # Not resolved: an environment's interpreter is a link to another's.
    interpreter = str(Path(python).absolute())
    found = subprocess.run([interpreter, "-P", "-c", _WHERE], check=True, capture_output=True)
    newest, _, package = found.stdout.decode().strip().partition(" ")
    if newest == version(SDK):
        say(f"{SDK} {newest} is the newest that the index has, and `make test` runs on it already")
        return 0
    failed = walk(interpreter, steps)
    return failed if failed or steps else test_our_client(Path(package))


def walk(interpreter: str, steps: tuple[str, ...]) -> int:
    with tempfile.TemporaryDirectory(prefix="kmflow-newest-sdk-") as folder:
        state = Path(folder) / "state"
        seed(state)
        with served(state) as profiles:
            config = Path(folder) / "databrickscfg"
            config.write_text(profiles, encoding="utf-8")
            environment = clean_environment() | {"DATABRICKS_CONFIG_FILE": str(config)}
            return subprocess.run(
                [interpreter, "-P", str(STEPS), *steps], env=environment, check=False, cwd=folder
            ).returncode


def test_our_client(package: Path) -> int:
    """The tests of `databricks_client` in this environment, with that SDK before the pinned one."""
    with tempfile.TemporaryDirectory(prefix="kmflow-newest-sdk-") as folder:
        # Alone: the rest of its environment stays where it is.
        (Path(folder) / "databricks").symlink_to(package)
        environment = clean_environment() | {"PYTHONPATH": folder}
        loaded = subprocess.run(
            [sys.executable, "-c", "import databricks.sdk as sdk; print(sdk.__file__)"],
            env=environment,
            check=True,
            capture_output=True,
        )
        assert loaded.stdout.decode().startswith(folder), loaded.stdout
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "0", str(OUR_CLIENT)],
            env=environment,
            check=False,
        ).returncode


def seed(state: Path) -> None:
    """Two groups, each with a catalog and a Volume of its own, as service principals."""
    with EmbeddedWorkspace(state) as workspace:
        admin = seed_workspace(workspace, "default", admin_token=own_token(state))
        for group, token in TOKENS.items():
            seed_group(
                workspace,
                admin,
                principal=f"sp-{group}",
                token=token,
                catalog=group,
                volumes=("main.evidence",),
            )


@contextmanager
def served(state: Path) -> Iterator[str]:
    """`kmflow workspace serve` as a child; the profiles of its principals."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from kmflow_orchestration.cli.main import run; run()",
            *("workspace", "serve", "--dir", str(state)),
        ],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        printed = [child.stdout.readline() for _ in range(3)]
        host = printed[1].partition("=")[2].strip()
        assert host.startswith("http://127.0.0.1:"), printed
        yield "".join(printed) + "\n" + databrickscfg(host, TOKENS)
    finally:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
