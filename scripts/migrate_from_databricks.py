r"""A group's evidence out of its Volume: `kmflow migrate from-databricks` by its old name.

    python scripts/migrate_from_databricks.py \
        --catalog kmflow --schema evidence --volume raw_evidence --target-dir ./evidence_store

All options of the command may be given; without `--group`, the group is the one whose evidence
lies in that Volume, or the only one there is.
"""

import sys

from kmflow_orchestration.cli.runbook_scripts import migrate_from_databricks

if __name__ == "__main__":
    sys.exit(migrate_from_databricks(sys.argv[1:]))
