SELECT
  {ordinal} AS ordinal,
  {distinct_count} AS distinct_count,
  {hash_sum} AS hash_sum,
  min(length(text)) AS min_length,
  max(length(text)) AS max_length,
  sum(CASE WHEN text <> '' THEN length(text) * n END) / sum(CASE WHEN text <> '' THEN n END) AS avg_length
FROM (
  SELECT value, n, {key} AS hash_key, CAST(value AS STRING) AS text FROM ({source}) AS source
) AS shaped
