SELECT {ordinal} AS ordinal, ranked.pattern AS pattern, ranked.n AS n, ranked.distinct_patterns AS distinct_patterns
FROM (
  SELECT pattern, n, count(*) OVER () AS distinct_patterns
  FROM (
    SELECT pattern, sum(n) AS n
    FROM (SELECT n, {pattern} AS pattern FROM ({source}) AS source WHERE trim(value) <> '') AS shaped
    GROUP BY pattern
  ) AS patterns
  ORDER BY n DESC, pattern
  LIMIT 5
) AS ranked
