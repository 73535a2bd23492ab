SELECT {value} AS value, 1L AS n FROM {relation} WHERE {column} IS NOT NULL
