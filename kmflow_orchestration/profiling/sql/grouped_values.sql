SELECT {value} AS value, count(*) AS n FROM {relation} WHERE {column} IS NOT NULL GROUP BY {value}
