"""Log records and tracebacks of a whole process, whoever writes them and whoever listens."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading

import pytest
from pydantic import BaseModel

from kmflow_orchestration.redacted_process import install
from kmflow_orchestration.redaction import register

SECRET = "l0gged/kn0wn+9f3a51"
LOGGERS = ("", "databricks", "databricks.sdk", "sqlalchemy.engine.Engine", "urllib3", "dagster")


@pytest.fixture(autouse=True, scope="module")
def installed():
    register(SECRET)
    install({})


class Number(BaseModel):
    value: int


@pytest.fixture
def said(request):
    """What a handler writes that knows nothing of secrets."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s"))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_record_of_any_logger_is_clean(said, name):
    logging.getLogger(name).error("sent %s to %s", SECRET, {"token": SECRET})
    assert "sent *** to {'token': '***'}" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_a_message_that_is_a_secret_only_once_joined_is_clean(said):
    logging.getLogger("x").error("%s/%s", *SECRET.split("/"))
    assert said.getvalue() == "*** ()\n"


def test_arguments_that_do_not_fit_show_no_secret_either(said):
    logging.getLogger("x").error("%d", SECRET)
    assert said.getvalue() == "%d ('***',) ()\n"


def test_tracebacks_and_stacks_in_the_log_are_clean(said):
    try:
        {}[SECRET]
    except KeyError:
        logging.getLogger("x").exception("failed", stack_info=True)
    assert "KeyError: '***'" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_an_error_whose_text_nobody_can_change_is_shown_without_it(said):
    try:
        Number(value=SECRET)
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "ValidationError: 1 validation error for Number" in said.getvalue()
    assert SECRET not in said.getvalue()


def test_other_formatters_still_find_their_arguments(said):
    logging.getLogger("x").error("%s %d", "GET /", 200)
    assert said.getvalue() == "GET / 200 ('GET /', 200)\n"


CRASHES = {
    "main": "raise ValueError(SECRET)",
    "thread": "threading.Thread(target=lambda: 1 / len(SECRET[99:]) or crash()).start()",
    "thread, cause": "threading.Thread(target=crash).start()",
    "destructor": "type('D', (), {'__del__': lambda self: crash()})()",
    "warning": "import warnings; warnings.warn(f'RuntimeError {SECRET}')",
    "not to be changed": "Number(value=SECRET)",
    "thread, not to be changed": "threading.Thread(target=lambda: Number(value=SECRET)).start()",
}
SCRIPT = """
import sys, threading
from pydantic import BaseModel
from kmflow_orchestration.redacted_process import install
SECRET = sys.stdin.read()
install({{"DATABRICKS_TOKEN": SECRET}})
class Number(BaseModel):
    value: int
def crash():
    raise RuntimeError(f"with {{SECRET}}")
{crash}
"""


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)
def test_a_process_that_crashes_shows_no_secret(crash):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(crash=crash)],
        input=SECRET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_installing_twice_does_it_once():
    before = (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook)
    install({})
    assert (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook) == before
