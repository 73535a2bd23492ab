"""Every error a user can meet, in one tree (design AD11).

    KmflowError
    ├── ConfigurationError          exit 3   a setting is missing, wrong or still a placeholder
    │   ├── InvalidSettings                  what was given does not keep the rules; nothing changed
    │   │   └── UnknownEngagement
    │   ├── UnknownGroup
    │   │   └── GroupDisabled
    │   ├── MissingGroup
    │   ├── CredentialError
    │   │   ├── SignInTimedOut               nobody signed in in the browser in time
    │   │   ├── SignInPortTaken              the browser's answer would reach another process
    │   │   ├── SignInRefused       exit 4   the browser came back with a no; also an AccessRefused
    │   │   └── TokenExpired        exit 4   also an AccessRefused
    │   └── MissingDependency
    ├── AccessRefused               exit 4   the workspace refused who we are or what we asked
    │   ├── PlaceNotAllowed                  a place that the group's own settings do not allow
    │   ├── CredentialRefused                it does not accept the token or secret at all
    │   └── ScopeMissing                     the token is not for this API
    ├── CallerRefused               exit 4   who asks may not do this; never about the workspace
    │   ├── NotAuthenticated                 no API token, or none that is good (401)
    │   ├── RoleRefused                      the caller's role does not reach (403)
    │   ├── GroupRefused                     the group is none of the caller's (403)
    │   └── OperatorOnly                     a setting that leads into this machine (403)
    ├── RemoteFault                 exit 5   network or platform, after our own retries
    │   ├── StorageUnavailable
    │   │   ├── MetadataUnavailable
    │   │   └── BackendUnreachable           another backend than this process writes to
    │   ├── StatementFailed
    │   ├── RemoteTimeout                    no answer in time
    │   ├── RateLimited                      asked to slow down until our retries were spent
    │   ├── WarehouseUnavailable
    │   │   └── WarehouseNotStarted          also a RemoteTimeout
    │   ├── RemoteNotFound
    │   ├── RemoteConflict
    │   ├── RequestRejected
    │   ├── ProtocolError
    │   ├── OutcomeUnknown                   a change that may or may not have happened
    │   └── PoolExhausted
    ├── UnsafePath                  exit 6   a path would leave its boundary
    ├── GroupMismatch               exit 6   one group's work reached for another group's things
    ├── QuarantinedFile             exit 1   a file cannot enter; its neighbours go on
    ├── DatabricksConversionError   exit 1   a file could not be converted
    │   ├── CorruptInput                     content that its own format's reader refuses; also a
    │   │   │                                QuarantinedFile
    │   │   └── PasswordRequiredError        it is encrypted
    │   │       └── WrongPasswordError  exit 4   and the password given is another
    │   ├── DataLossError                    the result would hold less than the source, or does
    │   ├── SchemaDriftError                 its tables are not those of the schema lock
    │   ├── OutOfMemoryError        exit 6   reading it needs more memory than it was given
    │   ├── TimeLimitExceeded       exit 6   nor is there more time for it
    │   ├── ConverterCrashed                 the process that read it died
    │   ├── VolumeNotFoundError              a Volume has no such file or folder
    │   ├── UnsupportedFormatError  exit 2   no converter reads this, or none writes that
    │   ├── InvalidOptions          exit 2   an option that is unknown, contradicts another or
    │   │                                    means nothing to this format
    │   ├── OutputExistsError       exit 6   something else lies where the result would go
    │   └── FileTooLargeError       exit 6   there is no room for the result
    ├── OutputError                          a task's output cannot be kept, or not be found again
    │   ├── OutputTooLarge          exit 6
    │   ├── OutputNotWritable       exit 1
    │   ├── OutputChanged           exit 1
    │   └── UnknownOutput           exit 1
    ├── LeaseHeld                   exit 1   another live run owns the work
    ├── StateConflict               exit 1   compare-and-set lost: somebody changed it first
    │   └── SettingsConflict             group settings were saved since they were read
    ├── BackupError                 exit 1   a backup cannot be taken, read, or put in place
    ├── UnknownToken                exit 1   the group has no API token of that id
    ├── UnknownEvidence             exit 1   the group has no evidence item of that id
    │   └── EvidenceGone                     it had one, and somebody deleted it
    ├── EvidenceNotIntact           exit 1   stored bytes are missing, or not what was stored
    ├── AppendOnly                  exit 6   a record that is never changed or removed
    ├── SqlModelError               exit 1   a model or value that the lakehouse cannot take
    │   ├── UnsupportedColumn
    │   ├── MixedTimes
    │   └── ReadOnlyTable
    └── ProfileRunError             exit 1
        ├── UnknownTableGroup
        ├── TableGroupInactive
        ├── TableGroupEmpty
        ├── ParametersTooLarge
        ├── RunOutstanding
        ├── UnknownRun
        ├── CallbackRejected
        ├── CompletionRefused
        ├── CompletionTooLarge
        └── ResultsMissing

A message or hint that a secret got into shows `***` in its place.
`code` is stable and may be matched by programs; `hint` says what to do; `retryable` whether the
same call may succeed later without anybody changing anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self, cast

from kmflow_orchestration.redaction import redact


class KmflowError(Exception):
    """Root of the tree. The first argument is the sentence a user reads."""

    code: ClassVar[str] = "KM-000"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    # Which table group and run it is about, where that is known (row E5).
    table_group_id: str = ""
    profile_run_id: str = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = redact(message)
        self.hint = redact(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # As it is: what its constructor must be told by name is no argument of an exception.
        return _made_anew, (type(self), self.args, self.__dict__)

    def about(self, *, table_group_id: str = "", profile_run_id: str = "") -> Self:
        """The same error, which also says whose it is; what it says already stays."""
        self.table_group_id = self.table_group_id or table_group_id
        self.profile_run_id = self.profile_run_id or profile_run_id
        return self


def _made_anew(kind: type[KmflowError], args: tuple[object, ...], held: object) -> KmflowError:
    """An error that came from another process."""
    error = kind.__new__(kind, *args)
    vars(error).update(cast("Mapping[str, object]", held))
    return error


class ConfigurationError(KmflowError):
    """One or more settings are wrong; `fields` names every one of them."""

    code = "KM-CONFIG-001"
    exit_code = 3

    def __init__(self, message: str, *, fields: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.fields = fields


class InvalidSettings(ConfigurationError):
    """What was given for settings, a token or an id does not keep the rules; nothing was saved.

    `problems` is the rule that each bad field breaks, by its name; never a value.
    """

    code = "KM-CONFIG-008"

    def __init__(self, message: str, *, fields: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, fields=fields, hint=hint)
        self.problems: Mapping[str, str] = dict.fromkeys(fields, self.message)

    @classmethod
    def of(cls, problems: Iterable[tuple[str, str]], *, hint: str = "") -> Self:
        """Every bad field at once, each with its rule."""
        told = tuple(problems)
        message = "; ".join(f"{name}: {rule}" for name, rule in told)
        error = cls(message, fields=tuple(name for name, _ in told), hint=hint)
        error.problems = {
            name: redact("; ".join(rule for other, rule in told if other == name))
            for name in error.fields
        }
        return error


class UnknownEngagement(InvalidSettings):
    """The group has no engagement of that id."""

    code = "KM-CONFIG-009"


class UnknownGroup(ConfigurationError):
    """No configuration for this group, or it is disabled."""

    code = "KM-CONFIG-002"


class GroupDisabled(UnknownGroup):
    """The group's settings are there, and say that nothing may run for it."""

    code = "KM-CONFIG-006"


class MissingGroup(ConfigurationError):
    """A call without a group id: refused before anything is read."""

    code = "KM-CONFIG-003"


class CredentialError(ConfigurationError):
    """A secret reference that cannot be resolved; names the reference, never the value."""

    code = "KM-CONFIG-004"


class SignInTimedOut(CredentialError):
    """A browser was opened for a person to sign in, and nobody finished in time."""

    code = "KM-CONFIG-010"


class SignInPortTaken(CredentialError):
    """The port that a browser comes back to is another process's."""

    code = "KM-CONFIG-011"


class MissingDependency(ConfigurationError):
    """An optional part is not installed; the hint holds the install line."""

    code = "KM-CONFIG-005"


class AccessRefused(KmflowError):
    """401 or 403 from the workspace; `error_code` is the platform's."""

    code = "KM-ACCESS-001"
    exit_code = 4
    error_code: str = ""


class CredentialRefused(AccessRefused):
    """The workspace does not accept a token, or a client's secret, whatever is asked."""

    code = "KM-ACCESS-003"


class ScopeMissing(AccessRefused):
    """A token that is good, but not for this API; the next way to sign in may be (row A10)."""

    code = "KM-ACCESS-004"


class TokenExpired(AccessRefused, CredentialError):
    """A token that was good before is refused, and there is no other to go on with."""

    code = "KM-ACCESS-005"


class SignInRefused(AccessRefused, CredentialError):
    """A person, or the workspace, refused to sign in to it in the browser."""

    code = "KM-ACCESS-006"


class CallerRefused(KmflowError):
    """A caller of ours, known or not, may not do what it asked."""

    code = "KM-CALLER-001"
    exit_code = 4


class NotAuthenticated(CallerRefused):
    """No API token, or one that is unknown, expired or revoked; the answer never says which."""

    code = "KM-CALLER-002"


class RoleRefused(CallerRefused):
    """The caller's role in the group does not reach for this."""

    code = "KM-CALLER-003"


class GroupRefused(CallerRefused):
    """The group asked for is none of the caller's; whether it exists is not said."""

    code = "KM-CALLER-004"


class OperatorOnly(CallerRefused):
    """A setting that leads to secrets or files of this machine, and is its operator's to set."""

    code = "KM-CALLER-005"


class PlaceNotAllowed(AccessRefused):
    """A place outside what the group's settings allow; nothing was asked of the workspace."""

    code = "KM-ACCESS-002"


class RemoteFault(KmflowError):
    """The network or the platform failed after our own retries.

    `error_code` is the platform's; `retry_after_s` the seconds it asked us to stay away, None when
    it did not say.
    """

    code = "KM-REMOTE-001"
    exit_code = 5
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        error_code: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.error_code = error_code
        self.retry_after_s = retry_after_s


class StorageUnavailable(RemoteFault):
    """Bytes could not be written or read; what was confirmed before stays confirmed."""

    code = "KM-REMOTE-002"


class MetadataUnavailable(StorageUnavailable):
    """The control database, or Dagster's own, does not answer; nothing was changed."""

    code = "KM-METADATA-001"


class BackendUnreachable(StorageUnavailable):
    """Evidence lies in another backend than this process writes to, and it cannot be got at now.

    Its credentials, its address or its folder are gone, or it does not answer. Whatever else was
    to be done is done, so trying again at once gains nothing.
    """

    code = "KM-REMOTE-015"
    retryable = False

    def __init__(self, backend: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"unreachable: backend {backend}: {reason}", hint=hint)
        self.backend = backend
        self.reason = redact(reason)


class StatementFailed(RemoteFault):
    """A SQL statement ended FAILED; `error_code` is the platform's (DELTA_CONCURRENT_APPEND, …)."""

    code = "KM-REMOTE-003"
    retryable = False


class RemoteTimeout(RemoteFault):
    """The platform did not answer, or was not done, in the time it was given."""

    code = "KM-REMOTE-013"


class RateLimited(RemoteFault):
    """The platform asked us to slow down until our retries were spent (429)."""

    code = "KM-REMOTE-014"


class WarehouseUnavailable(RemoteFault):
    """No warehouse, or it did not start before the deadline."""

    code = "KM-REMOTE-004"


class WarehouseNotStarted(WarehouseUnavailable, RemoteTimeout):
    """A warehouse that was asked for and did not run before the deadline."""

    code = "KM-REMOTE-012"


class RemoteNotFound(RemoteFault):
    """The workspace has no such object."""

    code = "KM-REMOTE-005"
    retryable = False


class RemoteConflict(RemoteFault):
    """The object is there already."""

    code = "KM-REMOTE-006"
    retryable = False


class ProtocolError(RemoteFault):
    """An answer that lacks what its endpoint promises; the message names the endpoint."""

    code = "KM-REMOTE-007"
    retryable = False


class RequestRejected(RemoteFault):
    """The workspace understood the request and will never take it as it is (400)."""

    code = "KM-REMOTE-010"
    retryable = False


class OutcomeUnknown(RemoteFault):
    """A change was sent and the answer lost: it is not sent again, and may have happened."""

    code = "KM-SQL-001"
    retryable = False


class PoolExhausted(RemoteFault):
    """No connection of a SQL engine became free in time."""

    code = "KM-SQL-002"


class SqlModelError(KmflowError):
    """A model or a value that cannot be kept in the lakehouse as it is."""

    code = "KM-SQL-003"


class UnsupportedColumn(SqlModelError):
    """A column of a type that Databricks SQL has not, or that loses something there (row C18)."""

    code = "KM-SQL-004"


class MixedTimes(SqlModelError):
    """A time with a zone for a column without one, or the other way round (row C19)."""

    code = "KM-SQL-005"


class ReadOnlyTable(SqlModelError):
    """A change of a table that only the pipeline writes."""

    code = "KM-SQL-006"


class UnsafePath(KmflowError, ValueError):
    """A path outside its boundary; also a ValueError, as callers of a storage backend expect."""

    code = "KM-PATH-001"
    exit_code = 6


class GroupMismatch(KmflowError):
    """Work of one group reached for another group's configuration, paths or rows."""

    code = "KM-GROUP-001"
    exit_code = 6


class QuarantinedFile(KmflowError):
    """A file that cannot enter; `reason` is the stable quarantine code."""

    code = "KM-INTAKE-001"

    def __init__(self, message: str, *, reason: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class DatabricksConversionError(KmflowError):
    """Root of what the conversion of one file ends with (row D11), on Databricks or anywhere."""

    code = "KM-CONVERT-001"


class CorruptInput(QuarantinedFile, DatabricksConversionError):
    """Content that its own format's reader refuses."""

    code = "KM-INTAKE-002"

    def __init__(self, message: str, *, reason: str = "corrupt", hint: str = "") -> None:
        super().__init__(message, reason=reason, hint=hint)


class PasswordRequiredError(CorruptInput):
    """Content behind a password."""

    code = "KM-CONVERT-002"

    def __init__(self, message: str, *, reason: str = "encrypted", hint: str = "") -> None:
        super().__init__(message, reason=reason, hint=hint)


class WrongPasswordError(PasswordRequiredError):
    """Content behind a password that is not the given one."""

    code = "KM-CONVERT-010"
    exit_code = 4


class DataLossError(DatabricksConversionError):
    """What was written is less than what was read; the result was not put in place."""

    code = "KM-CONVERT-003"


class SchemaDriftError(DatabricksConversionError):
    """Tables, columns or types are not those that a schema lock holds; nothing was written.

    `differences` tells each as plain values: kind, table, column, old, new and text.
    """

    code = "KM-DRIFT-001"

    def __init__(
        self, message: str, *, differences: Sequence[Mapping[str, str]] = (), hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.differences = tuple(differences)


class UnsupportedFormatError(DatabricksConversionError):
    """No converter reads this content, or none can write the format asked for."""

    code = "KM-CONVERT-004"
    exit_code = 2


class InvalidOptions(DatabricksConversionError):
    """Options that nobody knows, that exclude each other, or that this format has no use for."""

    code = "KM-CONVERT-005"
    exit_code = 2


class OutputExistsError(DatabricksConversionError):
    """What lies where the result would go is not replaced unless that was asked for."""

    code = "KM-CONVERT-006"
    exit_code = 6


class FileTooLargeError(DatabricksConversionError):
    """The disk has no room for what the file becomes."""

    code = "KM-CONVERT-007"
    exit_code = 6


class OutOfMemoryError(DatabricksConversionError):
    """A reader needed more memory than it was given."""

    code = "KM-MEM-001"
    exit_code = 6


class TimeLimitExceeded(DatabricksConversionError):
    """A file took more seconds than it may."""

    code = "KM-CONVERT-008"
    exit_code = 6


class ConverterCrashed(DatabricksConversionError):
    """The process that read a file died of it."""

    code = "KM-CONVERT-009"


class VolumeNotFoundError(DatabricksConversionError):
    """What should be converted is not in its Volume, or there is no such Volume."""

    code = "KM-VOLUME-001"


class OutputError(KmflowError):
    """Something about one output of a task."""

    code = "KM-OUTPUT-001"


class OutputTooLarge(OutputError):
    """An output of more bytes than its limit; nothing was sent (row A14)."""

    code = "KM-OUTPUT-002"
    exit_code = 6

    def __init__(
        self, message: str, *, actual_bytes: int, limit_bytes: int, hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.actual_bytes = actual_bytes
        self.limit_bytes = limit_bytes


class OutputNotWritable(OutputError):
    """A value that its format cannot hold; `key` names the part of it, `$` is the whole."""

    code = "KM-OUTPUT-003"

    def __init__(self, message: str, *, key: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.key = key


class OutputChanged(OutputError):
    """The stored bytes are not those that were written."""

    code = "KM-OUTPUT-004"


class UnknownOutput(OutputError):
    """No such output, or no such failed upload, in this group."""

    code = "KM-OUTPUT-005"


class BackupError(KmflowError):
    """A backup that cannot be taken, read, or put in place; nothing was changed."""

    code = "KM-BACKUP-001"


class LeaseHeld(KmflowError):
    """Another live run owns the work; it will finish or its lease will run out."""

    code = "KM-LEDGER-001"
    retryable = True


class StateConflict(KmflowError):
    """A compare-and-set found another state or version than it expected."""

    code = "KM-LEDGER-002"
    retryable = True


class SettingsConflict(StateConflict):
    """A group's settings were saved by somebody else since they were read: read them again."""

    code = "KM-CONFIG-007"
    retryable = False


class UnknownToken(KmflowError):
    """The group has no API token of that id; another group's is as unknown as none."""

    code = "KM-TOKEN-001"


class UnknownEvidence(KmflowError):
    """The group has no evidence item of that id; another group's is as unknown as none."""

    code = "KM-EVIDENCE-001"


class EvidenceGone(UnknownEvidence):
    """The item was deleted: who did it, and when, is all that is left of it."""

    code = "KM-EVIDENCE-002"


class EvidenceNotIntact(KmflowError):
    """A stored file is not there, or holds other bytes than were stored."""

    code = "KM-EVIDENCE-003"


class AppendOnly(KmflowError):
    """An audit record was to be changed or removed, which nobody may."""

    code = "KM-AUDIT-001"
    exit_code = 6


class ProfileRunError(KmflowError):
    """Something about one profile run."""

    code = "KM-PROFILE-001"


class UnknownTableGroup(ProfileRunError):
    """No table group of that id in this group."""

    code = "KM-PROFILE-008"


class TableGroupInactive(ProfileRunError):
    """The table group is switched off."""

    code = "KM-PROFILE-009"


class TableGroupEmpty(ProfileRunError):
    """The table group has no tables yet."""

    code = "KM-PROFILE-010"


class ParametersTooLarge(ProfileRunError):
    """A run would be told more than the platform takes (row E17)."""

    code = "KM-PROFILE-011"


class RunOutstanding(ProfileRunError):
    """The table group has a profile run that is not over yet."""

    code = "KM-PROFILE-002"

    def __init__(self, message: str, *, profile_run_id: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.profile_run_id = profile_run_id


class UnknownRun(ProfileRunError):
    """No profile run of that id in this group."""

    code = "KM-PROFILE-003"


class CallbackRejected(ProfileRunError):
    """A completion whose token is missing, malformed, expired or another run's.

    `http_status` is 401 or 403 (row E27); nothing was looked up or changed.
    """

    code = "KM-PROFILE-004"

    def __init__(self, message: str, *, http_status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.http_status = http_status


class ResultsMissing(ProfileRunError):
    """The platform says the run succeeded, yet its results are not in the lakehouse."""

    code = "KM-PROFILE-005"


class CompletionRefused(ProfileRunError):
    """A completion that the run's present status, or its platform run, does not allow (row E31)."""

    code = "KM-PROFILE-006"

    def __init__(self, message: str, *, current_status: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.current_status = current_status


class CompletionTooLarge(ProfileRunError):
    """A completion with more bytes or more anomalies than one body may hold (row E28)."""

    code = "KM-PROFILE-007"
