"""Assets of somebody's own code location, which fail with a secret in their hands."""

import base64
from typing import Any

import dagster as dg

from kmflow_orchestration.config.secret_refs import SecretRef
from kmflow_orchestration.partitions.keys import GROUPS
from kmflow_orchestration.resources.clean_texts import clean_texts
from kmflow_orchestration.resources.context_resource import ContextResource
from kmflow_orchestration.resources.task_outputs import KmflowOutputIOManager, kmflow_output


def token_of(kmflow: ContextResource, group: str) -> str:
    reference = kmflow.for_group(group).config.token
    assert isinstance(reference, SecretRef)
    return reference.resolve().reveal()


@dg.asset(partitions_def=GROUPS)
def quoting(context: dg.AssetExecutionContext, kmflow: ContextResource) -> None:
    """A statement with a secret in it that no engine takes."""
    token = token_of(kmflow, context.partition_key)
    kmflow.for_group(context.partition_key).lakehouse.query(f"SELECT '{token}' FROM nowhere.at.all")


@dg.asset(partitions_def=GROUPS)
def crashing(context: dg.AssetExecutionContext, kmflow: ContextResource) -> None:
    """Every place of an exception that can hold a text."""
    token = token_of(kmflow, context.partition_key)
    context.log.error("about to fail with %s", token)
    try:
        {}[token]
    except KeyError as error:
        failure = RuntimeError("crash", {"headers": {"Authorization": f"Bearer {token}"}})
        failure.add_note(f"signed in with {base64.b64encode(token.encode()).decode()}")
        raise failure from error


@dg.asset(partitions_def=GROUPS)
def telling(context: dg.AssetExecutionContext, kmflow: ContextResource) -> dg.MaterializeResult:
    """Nothing fails, but its metadata tell."""
    token = token_of(kmflow, context.partition_key)
    return dg.MaterializeResult(
        metadata={
            "text": f"with {token}",
            token: "as a name",
            "json": dg.MetadataValue.json({"used": [token, {"token": token}]}),
            "page": dg.MetadataValue.url(f"https://x.test/?access_token={token}"),
            "picture": dg.MetadataValue.md(
                f"![x](data:,{base64.b64encode(token.encode()).decode()})"
            ),
        }
    )


@kmflow_output(partitions_def=GROUPS)
def unsent() -> dict[str, Any]:
    """An output whose upload is refused."""
    return {"rows": 3}


ASSETS = [quoting, crashing, telling, unsent]
KEYS = {asset.key.path[-1]: asset.key for asset in ASSETS}


def own_definitions(overrides: dict[str, str]) -> dg.Definitions:
    return dg.Definitions(
        assets=clean_texts(ASSETS),
        resources={
            "kmflow": ContextResource(overrides=overrides),
            "kmflow_output": KmflowOutputIOManager(overrides=overrides),
        },
        executor=dg.in_process_executor,
    )
