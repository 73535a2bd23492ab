"""Ways to sign in that a group may pin with `auth_type`, by the SDK's names (row C9)."""

from __future__ import annotations

AUTH_TYPES = (
    "pat",
    "basic",
    "metadata-service",
    "oauth-m2m",
    "env-oidc",
    "file-oidc",
    "github-oidc",
    "azure-client-secret",
    "github-oidc-azure",
    "azure-cli",
    "azure-devops-oidc",
    "external-browser",
    "databricks-cli",
    "runtime",
    "runtime-oauth",
    "google-credentials",
    "google-id",
    "model-serving",
)
"""In the order in which the SDK tries them."""
