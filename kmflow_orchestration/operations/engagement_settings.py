"""What people set for one engagement: the weights of its quality scores (row B16)."""

from __future__ import annotations

from collections.abc import Mapping

from kmflow_orchestration.access.caller import Caller
from kmflow_orchestration.access.roles import Role
from kmflow_orchestration.config.nearest import nearest
from kmflow_orchestration.errors import InvalidSettings, UnknownEngagement
from kmflow_orchestration.intake.evidence_scores import weights_json
from kmflow_orchestration.intake.ledger import Ledger
from kmflow_orchestration.names import EngagementId


def set_quality_weights(
    group: str,
    engagement: str,
    weights: Mapping[str, float] | None,
    *,
    caller: Caller,
    ledger: Ledger,
) -> None:
    """Weigh the scores of an engagement's files to come by these; by the usual ones for None.

    What was scored before keeps its score and its weights: a score is made once.

    Raises:
        CallerRefused: the group is none of the caller's, or the caller is neither editor nor admin.
        InvalidSettings: bad weights; UnknownEngagement: no file of it was ever seen.
    """
    own = caller.require(Role.EDITOR, group)
    try:
        kept = None if weights is None else weights_json(weights)
    except ValueError as error:
        raise InvalidSettings(
            f"quality_weights: {error}",
            fields=("quality_weights",),
            hint="four weights from 0 to 1 that add up to 1: completeness=0.3,reliability=0.3,"
            "freshness=0.2,consistency=0.2",
        ) from error
    if not ledger.set_quality_weights(own, EngagementId(engagement), kept):
        known = [one.engagement_id for one in ledger.engagements(own)]
        raise UnknownEngagement(
            f"group {own} has no engagement {engagement!r}{nearest(engagement, known)}",
            fields=("engagement",),
            hint=f"kmflow engagement list --group {own}; one is known from its first file on",
        )
