"""Row C15 in Dagster: whatever a step or a tick raises, yields or returns holds no secret."""

import base64
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from pydantic import BaseModel

from kmflow_orchestration.definitions import build_definitions
from kmflow_orchestration.errors import KmflowError
from kmflow_orchestration.redaction import MASK, register
from kmflow_orchestration.resources.clean_texts import (
    clean_event,
    clean_function,
    clean_texts,
    is_clean,
)
from kmflow_orchestration.resources.failures import failing_as_dagster
from kmflow_orchestration.sensors.all_sensors import SENSOR_NAMES

SECRET = "t0ld/by+a=step9f3a51"
BASE64 = base64.b64encode(SECRET.encode()).decode()


@pytest.fixture(autouse=True)
def _known() -> None:
    register(SECRET)


@dg.asset(check_specs=[dg.AssetCheckSpec("looked_at", asset="yielding")])
def yielding() -> Iterator[Any]:
    yield dg.AssetObservation("yielding", description=SECRET, metadata={"a": SECRET})
    yield dg.MaterializeResult(
        metadata={
            SECRET: 1,
            "text": SECRET,
            "bytes": BASE64,
            "json": dg.MetadataValue.json({"deep": [{"in": SECRET}]}),
            "url": dg.MetadataValue.url(f"https://x.test/?token={SECRET}"),
            "md": dg.MetadataValue.md(f"**{SECRET}**"),
            "path": dg.MetadataValue.path(f"/x/{SECRET}"),
            "schema": dg.TableSchema([dg.TableColumn("a", description=SECRET)]),
            "rows": dg.MetadataValue.table([dg.TableRecord({"a": SECRET, "b": 1})]),
        },
        tags={"kept": "tag"},
        check_results=[
            dg.AssetCheckResult(passed=True, check_name="looked_at", metadata={"saw": SECRET})
        ],
    )


@dg.asset
def returning(context: dg.AssetExecutionContext) -> dg.Output[list[str]]:
    context.log.info("about to return %s", SECRET)
    return dg.Output(["a value"], metadata={"a": SECRET})


@dg.asset
def raising() -> None:
    try:
        {}[SECRET]
    except KeyError as error:
        raise ValueError(f"with {SECRET}") from error


@dg.asset
def failing() -> None:
    raise dg.Failure(f"with {SECRET}", metadata={"a": SECRET, "b": dg.MetadataValue.json([SECRET])})


class Number(BaseModel):
    value: int


@dg.asset
def unchangeable() -> None:
    Number.model_validate({"value": SECRET})


@dg.asset
def translated() -> None:
    with failing_as_dagster():
        try:
            {}[SECRET]
        except KeyError as error:
            raise KmflowError("no such thing", hint=SECRET) from error


ASSETS = [yielding, returning, raising, failing, unchangeable, translated]


@pytest.fixture(scope="module")
def events() -> dict[str, str]:
    """All that Dagster keeps of one run of each asset, by the asset's name."""
    register(SECRET)
    found = {}
    definitions = dg.Definitions(assets=clean_texts(ASSETS))
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        for asset in ASSETS:
            result = job.execute_in_process(
                instance=instance, asset_selection=[asset.key], raise_on_error=False
            )
            logs = instance.all_logs(result.run_id)
            found[asset.key.path[-1]] = "\n".join(entry.to_json() for entry in logs)
    return found


@pytest.mark.parametrize("asset", [one.key.path[-1] for one in ASSETS])
def test_no_event_of_a_step_holds_a_secret(events: dict[str, str], asset: str) -> None:
    assert SECRET not in events[asset]
    assert BASE64 not in events[asset]
    assert MASK in events[asset]


def test_all_else_is_told_as_it_was(events: dict[str, str]) -> None:
    for told in ("deep", "looked_at", "https://x.test/?token=***", "/x/***", '"kept": "tag"'):
        assert told in events["yielding"]
    assert "about to return ***" in events["returning"]
    assert "with ***" in events["raising"]
    assert "KeyError" in events["raising"]
    assert "ValidationError: 1 validation error for Number" in events["unchangeable"]
    assert "[KM-000] no such thing (***)" in events["translated"]


def test_an_event_without_a_secret_stays_the_same_object() -> None:
    event = dg.MaterializeResult(metadata={"a": "b", "c": dg.MetadataValue.json({"d": [1]})})
    assert clean_event(event) is event


def test_a_value_is_no_text_of_ours() -> None:
    rows = [SECRET]
    assert clean_event(rows) is rows
    assert clean_event(dg.Output(rows, metadata={"a": SECRET})).value is rows
    assert clean_event(dg.MaterializeResult(value=rows, metadata={"a": SECRET})).value is rows


def test_a_sensor_tells_no_secret_either() -> None:
    @clean_function
    def tick(told: str) -> dg.SensorResult:
        if told == "raise":
            raise ValueError(SECRET)
        return dg.SensorResult(skip_reason=f"no {SECRET}", cursor=SECRET)

    result = tick("return")
    assert (result.skip_reason.skip_message, result.cursor) == ("no ***", MASK)
    with pytest.raises(ValueError, match=r"\*\*\*"):
        tick("raise")


def test_a_generator_that_is_left_early_is_closed() -> None:
    ended = []

    @clean_function
    def steps() -> Iterator[int]:
        try:
            yield 1
        finally:
            ended.append(True)

    begun = steps()
    next(begun)
    begun.close()
    assert ended == [True]


def test_every_step_and_every_tick_of_the_project_is_wrapped() -> None:
    definitions = build_definitions(sensors_running=False)
    nodes = definitions.resolve_asset_graph().asset_nodes
    functions = {one.key.to_user_string(): one.assets_def.op.compute_fn for one in nodes}
    assert [key for key, one in functions.items() if not is_clean(one.decorated_fn)] == []
    assert len(functions) >= 11
    by_us = [one for one in definitions.sensors if one.name != "kmflow_automation"]
    assert [one.name for one in by_us if not is_clean(one._raw_fn)] == []
    assert [one.name for one in by_us] == list(SENSOR_NAMES)


def test_a_second_time_changes_nothing() -> None:
    functions = [one.op.compute_fn for one in clean_texts(ASSETS)]
    assert [one.op.compute_fn for one in clean_texts(ASSETS)] == functions
