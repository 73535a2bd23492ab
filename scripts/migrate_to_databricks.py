r"""Evidence into a group's Volume: `kmflow migrate to-databricks` by its old name.

    python scripts/migrate_to_databricks.py --source-dir ./evidence_store \
        --catalog kmflow --schema evidence --volume raw_evidence --dry-run

All options of the command may be given; without `--group`, the group is the one whose evidence
lies in that Volume, or the only one there is.
"""

import sys

from kmflow_orchestration.cli.runbook_scripts import migrate_to_databricks

if __name__ == "__main__":
    sys.exit(migrate_to_databricks(sys.argv[1:]))
