"""Names every Dagster skin shares: layers, and the keys of our assets."""

import dagster as dg

LAYER_EVIDENCE = "evidence"
LAYER_BRONZE = "bronze"
LAYER_SILVER = "silver"
LAYER_GOLD = "gold"
LAYER_PROFILES = "profiles"

WORKSPACE_CONNECTION = dg.AssetKey([LAYER_EVIDENCE, "workspace_connection"])
METADATA_RECONCILIATION = dg.AssetKey([LAYER_EVIDENCE, "metadata_reconciliation"])
UNITY_CATALOG_REGISTRATION = dg.AssetKey([LAYER_EVIDENCE, "unity_catalog_registration"])
EVIDENCE_INVENTORY = dg.AssetKey([LAYER_EVIDENCE, "evidence_inventory"])
GROUP_HEALTH = dg.AssetKey([LAYER_EVIDENCE, "group_health"])
EVIDENCE_FILES = dg.AssetKey([LAYER_EVIDENCE, "evidence_files"])
BRONZE_EVIDENCE = dg.AssetKey([LAYER_BRONZE, "bronze_evidence"])
BRONZE_DATASETS = dg.AssetKey([LAYER_BRONZE, "bronze_datasets"])
SILVER_FRAGMENTS = dg.AssetKey([LAYER_SILVER, "silver_evidence_fragments"])
SILVER_ENTITIES = dg.AssetKey([LAYER_SILVER, "silver_extracted_entities"])
SILVER_QUALITY = dg.AssetKey([LAYER_SILVER, "silver_quality_events"])
GOLD_SCORE_HISTORY = dg.AssetKey([LAYER_GOLD, "gold_quality_score_history"])
PROFILE_RUN = dg.AssetKey([LAYER_PROFILES, "profile_run"])
PROFILE_RESULTS = dg.AssetKey([LAYER_PROFILES, "profile_results"])
HYGIENE_ISSUES = dg.AssetKey([LAYER_PROFILES, "hygiene_issues"])
QUALITY_SCORES = dg.AssetKey([LAYER_PROFILES, "quality_scores"])

# What one intake run does, and what follows it.
INTAKE = [EVIDENCE_FILES, BRONZE_EVIDENCE, BRONZE_DATASETS]
SILVER = [SILVER_FRAGMENTS, SILVER_ENTITIES, SILVER_QUALITY]
PROFILE_OUTCOME = [PROFILE_RESULTS, HYGIENE_ISSUES, QUALITY_SCORES]

# The check that a profile run ended well; a run that did not answers it without a materialization.
PROFILE_RUN_SUCCEEDED = "profile_run_succeeded"

# The profile run a completion's Dagster run is about.
PROFILE_RUN_TAG = "kmflow/profile_run_id"
