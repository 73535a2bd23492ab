"""Words every asset declaration shares: layers, owners, tags, the pool."""

LAYER_EVIDENCE = "evidence"
LAYER_BRONZE = "bronze"
LAYER_SILVER = "silver"
LAYER_GOLD = "gold"
LAYER_PROFILES = "profiles"

DATA_OWNER = "team:evidence"
QUALITY_OWNER = "team:data-quality"

# One pool for everything that asks the workspace for work (design AD6).
WORKSPACE_POOL = "databricks"
