SELECT value, sum(1L) AS n
FROM (SELECT {value} AS value FROM {relation} WHERE {column} IS NOT NULL LIMIT {sample_rows}) AS first_rows
GROUP BY value
