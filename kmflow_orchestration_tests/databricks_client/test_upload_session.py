"""A redirected upload has stored nothing, and must not look as if it had."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kmflow_orchestration.clock import SystemClock
from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.databricks_client.connect import connect
from kmflow_orchestration.databricks_client.files import VolumeFiles
from kmflow_orchestration.errors import RequestRejected
from kmflow_orchestration.names import VolumePath
from kmflow_orchestration_tests.embedded_groups import group_config


class _Redirecting(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "/login.html")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests say nothing."""


@pytest.fixture
def login_wall() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Redirecting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_redirected_upload_is_refused(login_wall: str) -> None:
    config = group_config(
        "acme",
        workspace_url=login_wall,
        token=SecretRef("env", "TOKEN"),
        allow_insecure_loopback=True,
    )
    calls = connect(config, clock=SystemClock(), environment={"TOKEN": "t"})
    target = VolumePath.parse("/Volumes/c/s/v/a.bin")

    with pytest.raises(RequestRejected):
        VolumeFiles(calls).upload(target, lambda: io.BytesIO(b"bytes"))
    calls.close()
