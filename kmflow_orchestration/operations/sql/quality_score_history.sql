-- Quality by day, engagement and category: on each day that saw an event, everything published
-- up to that day. No clock is read, so the same silver rows always give the same history.
WITH events AS (
  SELECT
    e.engagement_id,
    e.reference_date,
    b.category,
    e.completeness_score,
    e.reliability_score,
    e.freshness_score,
    e.consistency_score,
    e.composite_score,
    e.computed_at
  FROM {events} AS e
  INNER JOIN {bronze} AS b
    ON b.evidence_item_id = e.evidence_item_id AND b.group_id = e.group_id
  WHERE e.group_id = :group_id
),
days AS (
  SELECT DISTINCT engagement_id, reference_date AS as_of_date FROM events
)
SELECT
  :group_id AS group_id,
  d.engagement_id,
  d.as_of_date,
  e.category,
  COUNT(*) AS item_count,
  COUNT(e.composite_score) AS scored_count,
  ROUND(AVG(e.completeness_score), 6) AS avg_completeness_score,
  MIN(e.completeness_score) AS min_completeness_score,
  ROUND(AVG(e.reliability_score), 6) AS avg_reliability_score,
  MIN(e.reliability_score) AS min_reliability_score,
  ROUND(AVG(e.freshness_score), 6) AS avg_freshness_score,
  MIN(e.freshness_score) AS min_freshness_score,
  ROUND(AVG(e.consistency_score), 6) AS avg_consistency_score,
  MIN(e.consistency_score) AS min_consistency_score,
  ROUND(AVG(e.composite_score), 6) AS avg_composite_score,
  MIN(e.composite_score) AS min_composite_score,
  MAX(e.computed_at) AS computed_at
FROM days AS d
INNER JOIN events AS e
  ON e.engagement_id = d.engagement_id AND e.reference_date <= d.as_of_date
GROUP BY d.engagement_id, d.as_of_date, e.category
