"""Words every asset declaration shares: owners, the pool, automation."""

import warnings

import dagster as dg

# Multi-dimensional mappings, backfill policies and code references are beta in 1.13, on which we
# are pinned; every start would print a dozen lines about it.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

DATA_OWNER = "team:evidence"
QUALITY_OWNER = "team:data-quality"

# One pool for everything that asks the workspace for work (design AD6).
WORKSPACE_POOL = "databricks"

# Not plain `eager()`, which never fires while any other day of the group is missing.
FOLLOW_UPSTREAM = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.any_deps_in_progress()
)
