"""What a carrier does around every file: a fault is that file's, an interrupt ends it early."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from kmflow_orchestration.databricks_client.interrupts import given_up_by
from kmflow_orchestration.errors import CredentialRefused, KmflowError, TokenExpired
from kmflow_orchestration.operations.convert.convert_folder import FileTask, Run
from kmflow_orchestration.operations.convert.file_outcomes import FileOutcome, failed_with


@dataclass(frozen=True)
class RemoteCarrier(ABC):
    """`Carrier` of files whose source or result lies in a workspace; safe for many threads."""

    _given_up: threading.Event = field(default_factory=threading.Event, init=False)

    def carry(self, task: FileTask, run: Run) -> FileOutcome:
        """See `Carrier`."""
        try:
            with given_up_by(self._given_up):
                return self._carried(task, run)
        except (CredentialRefused, TokenExpired):
            raise
        except (KmflowError, OSError) as error:
            return failed_with(task.planned.path, error)

    def interrupt(self) -> None:
        self._given_up.set()

    @abstractmethod
    def _carried(self, task: FileTask, run: Run) -> FileOutcome: ...
