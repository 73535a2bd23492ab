-- sum(1L), because the embedded engine's count(*) fails here on a column of one single value.
SELECT {value} AS value, sum(1L) AS n FROM {relation} WHERE {column} IS NOT NULL GROUP BY {value}
