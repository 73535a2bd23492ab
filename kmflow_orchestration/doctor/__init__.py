"""The doctor of a group: sixteen checks, each with what it found and what to do (row B35)."""
