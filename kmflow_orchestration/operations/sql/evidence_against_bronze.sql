-- What bronze and the metadata table hold of these batches, for comparison with the ledger.
SELECT
  COUNT(*) AS bronze_rows,
  COUNT(DISTINCT b.evidence_item_id) AS bronze_items,
  COUNT(DISTINCT m.id) AS metadata_items,
  (SELECT COUNT(*) FROM {metadata} AS r WHERE r._batch_id IN ({batches})) AS metadata_rows,
  COUNT_IF(b.group_id <> :group_id OR m.group_id <> :group_id) AS foreign_rows,
  COUNT_IF(m.content_hash <> b.content_hash OR m.size_bytes <> b.size_bytes) AS differing_rows
FROM {bronze} AS b
LEFT JOIN {metadata} AS m ON m.id = b.evidence_item_id
WHERE b._batch_id IN ({batches})
