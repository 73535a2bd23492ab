"""One line in your own project sends an asset's value to its group's Volume (row G15).

    from kmflow_orchestration.resources.task_outputs import KmflowOutputIOManager, kmflow_output

    @kmflow_output(file_format="csv", partitions_def=GROUPS)
    def open_loans(): ...                                   # in CSV, whatever the group's rule

    @dg.asset(io_manager_key="kmflow_output", partitions_def=GROUPS)
    def report(open_loans): ...                             # by the group's rule

    defs = dg.Definitions(
        assets=[open_loans, report], resources={"kmflow_output": KmflowOutputIOManager()}
    )

The group is that of the partition key, or of the run's tag `kmflow/group`; never of a config.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field, PrivateAttr

from kmflow_orchestration.context import GroupContext
from kmflow_orchestration.errors import ConfigurationError, MissingGroup, UnknownOutput
from kmflow_orchestration.operations.read_output import read_output
from kmflow_orchestration.operations.write_output import OutputOutcome, TaskOutput, write_output
from kmflow_orchestration.outputs.layout import Execution
from kmflow_orchestration.outputs.resolve import resolve_upload
from kmflow_orchestration.outputs.tables import as_type
from kmflow_orchestration.partitions.keys import GROUP_TAG, group_of, start_of
from kmflow_orchestration.resources.clean_texts import clean_metadata
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.failures import failing_as_dagster
from kmflow_orchestration.resources.output_reports import failed_upload, reported

OVERRIDE = "kmflow/output"
"""Metadata of an asset or of one of its outputs: settings of its own for its upload."""
IO_MANAGER_KEY = "kmflow_output"
_NOT_A_STEP = "none"
"""Step of an upstream output that was made by another run, as Dagster names it."""


class KmflowOutputIOManager(dg.ConfigurableIOManager):
    """Keeps values in the group's Volume, or below KMFLOW_HOME where nothing goes to Databricks."""

    overrides: dict[str, str] = Field(
        default={},
        description="Process settings that win over environment and .env; never a secret.",
    )

    # Not a nested resource: Dagster 1.13 warns of itself when it opens one.
    _kmflow: ContextResource | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Iterator["KmflowOutputIOManager"]:
        with ContextResource(overrides=self.overrides).yield_for_execution(context) as opened:
            self._kmflow = opened
            yield self
        self._kmflow = None

    @property
    def kmflow(self) -> ContextResource:
        """The context of the run's group."""
        if self._kmflow is None:
            raise RuntimeError("the I/O manager is used outside a step")
        return self._kmflow

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Upload a step's value.

        Raises:
            dg.Failure: it could not be, and no `on_upload_error` says that this is a warning.
        """
        with failing_as_dagster():
            group = self._group_of(context)
            output = self._described(context, obj)
            outcome = write_output(group.outbox, output, tell=context.log.warning)
        context.add_output_metadata(clean_metadata(reported(outcome, group)))
        _observe(context, outcome)

    def load_input(self, context: dg.InputContext) -> Any:
        """The newest value of an upstream output; of several partitions, a value for each key.

        Raises:
            dg.Failure: there is none, or it is not what was written.
        """
        with failing_as_dagster():
            group = self._group_of(context)
            _refuse_unkept(context, group)
            if not context.has_asset_partitions:
                return self._loaded(context, group, "")
            keys = context.asset_partition_keys
            if len(keys) == 1:
                return self._loaded(context, group, keys[0])
            return {key: self._loaded(context, group, key) for key in keys}

    def _loaded(self, context: dg.InputContext, group: GroupContext, key: str) -> Any:
        upstream = context.upstream_output
        made_here = upstream is not None and upstream.step_key != _NOT_A_STEP
        value = read_output(
            group.outbox,
            _task_key(context if upstream is None else upstream),
            partition_key=key,
            dagster_run_id=upstream.run_id if upstream is not None and made_here else "",
        )
        return as_type(value, context.dagster_type.typing_type)

    def _group_of(self, context: dg.OutputContext | dg.InputContext) -> GroupContext:
        found: str | None = None
        if context.has_asset_partitions:
            found = group_of(context.asset_partitions_def, context.asset_partition_keys)
        found = found or self.kmflow.group_of_run
        if found is None:
            raise MissingGroup(
                "neither the partition nor the run tells whose output this is",
                hint=f"partition the asset by group, or tag the run {GROUP_TAG}",
            )
        return self.kmflow.for_group(found)

    def _described(self, context: dg.OutputContext, value: Any) -> TaskOutput:
        key, moment = "", None
        if context.has_asset_partitions:
            key = _one_partition(context.asset_partition_keys)
            moment = start_of(context.asset_partitions_def, key)
        return TaskOutput(
            value=value,
            task_key=_task_key(context),
            execution=Execution(
                context.run_id, moment or self.kmflow.run_began_at(), self.kmflow.run_name
            ),
            override=_override(context),
            partition_key=key,
        )


def kmflow_output(
    *,
    enabled: bool | None = None,
    volume_path: str | None = None,
    file_format: str | None = None,
    create_date_dirs: bool | None = None,
    filename_mode: str | None = None,
    max_file_size_mb: int | None = None,
    on_upload_error: str | None = None,
    verify: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    **asset_arguments: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """`@dg.asset` whose value goes to its group's Volume; takes all that `@dg.asset` takes besides.

    Settings that are not given are the group's. They are checked when the asset runs, as the
    group's own rules have a say in them.
    """
    given = {
        "enabled": enabled,
        "volume_path": volume_path,
        "file_format": file_format,
        "create_date_dirs": create_date_dirs,
        "filename_mode": filename_mode,
        "max_file_size_mb": max_file_size_mb,
        "on_upload_error": on_upload_error,
        "verify": verify,
    }
    override = {name: value for name, value in given.items() if value is not None}

    def asset(function: Callable[..., Any]) -> dg.AssetsDefinition:
        made: dg.AssetsDefinition = dg.asset(
            io_manager_key=IO_MANAGER_KEY,
            metadata={**(metadata or {}), OVERRIDE: override},
            **asset_arguments,
        )(function)
        return made

    return asset


def _override(context: dg.OutputContext) -> dict[str, Any]:
    """What asset and output say, the output's own run last."""
    return {
        **_settings(context.definition_metadata.get(OVERRIDE)),
        **_settings(context.output_metadata.get(OVERRIDE)),
    }


def _settings(value: Any) -> Mapping[str, Any]:
    plain = value.data if isinstance(value, dg.JsonMetadataValue) else value
    if plain is None:
        return {}
    if not isinstance(plain, Mapping):
        raise ConfigurationError(f"{OVERRIDE}: must be a mapping of settings", fields=(OVERRIDE,))
    return plain


def _refuse_unkept(context: dg.InputContext, group: GroupContext) -> None:
    """An asset that is not uploaded may have left an old value, which is not the one asked for."""
    upstream = context.upstream_output
    if upstream is None:
        return
    override = _settings(upstream.definition_metadata.get(OVERRIDE))
    if not resolve_upload(group.config, override).enabled:
        raise UnknownOutput(
            f"the output of {_task_key(upstream)} is not uploaded for group {group.id}",
            hint="set volume_enabled for the group, or enabled for the asset",
        )


def _task_key(context: dg.OutputContext | dg.InputContext) -> str:
    if context.has_asset_key:
        return context.asset_key.to_user_string()
    if isinstance(context, dg.InputContext):
        raise UnknownOutput(f"input {context.name} has no upstream output")
    return context.step_key if context.name == "result" else f"{context.step_key}.{context.name}"


def _one_partition(keys: Sequence[str]) -> str:
    if len(keys) != 1:
        raise ConfigurationError(
            f"one value for {len(keys)} partitions cannot be kept",
            hint="run each partition by itself: BackfillPolicy.multi_run(1)",
        )
    return str(keys[0])


def _observe(context: dg.OutputContext, outcome: OutputOutcome) -> None:
    """A failure that only warns shows on the asset's page, too."""
    if outcome.failure is not None and context.has_asset_key:
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                description="The output could not be uploaded.",
                partition=context.asset_partition_key if context.has_asset_partitions else None,
                metadata=clean_metadata(failed_upload(outcome.failure)),
            )
        )
