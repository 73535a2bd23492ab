"""The newest databricks-sdk against a served workspace: `make test-newest-sdk`.

Our own environment holds the SDK below 0.61 (dagster-databricks' cap), so `steps` runs in a small
environment that has nothing but the newest one, and imports nothing of ours.
"""
