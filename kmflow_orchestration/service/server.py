"""The service inside another process: a thread that listens until it is told to stop."""

from __future__ import annotations

import socket
import threading
from typing import Self

import uvicorn
from fastapi import FastAPI

from kmflow_orchestration.errors import ConfigurationError

_START_S = 10.0
_STOP_S = 10.0


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()


class ServiceServer:
    """Serves an application on `host:port`; port 0 takes a free one. A context manager."""

    def __init__(self, app: FastAPI, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.app = app
        self._address = (host, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    @property
    def url(self) -> str:
        """Base address, known once started."""
        return f"http://{self._address[0]}:{self.port}"

    def start(self) -> Self:
        """Listen; returns when requests are answered.

        Raises:
            ConfigurationError: the address cannot be listened on.
        """
        listener = self._listen()
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [listener]},
            name="kmflow-service",
            daemon=True,
        )
        self._thread.start()
        if not self._server.listening.wait(_START_S):
            self.stop()
            raise ConfigurationError(f"the service did not start on {self.url}")
        return self

    def wait(self) -> None:
        """Block until interrupted."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.5)

    def stop(self) -> None:
        """Finish open requests and end; a second call does nothing."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_S)
        self._server = self._thread = None

    def _listen(self) -> socket.socket:
        host, port = self._address
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise ConfigurationError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                fields=("KMFLOW_SERVICE_HOST", "KMFLOW_SERVICE_PORT"),
            ) from error
        self.port = listener.getsockname()[1]
        return listener

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
