SELECT {ordinal} AS ordinal, ranked.text AS text, ranked.number AS number, ranked.text_hash AS text_hash, ranked.n AS n
FROM (
  SELECT
    {text} AS text,
    {number} AS number,
    {text_hash} AS text_hash,
    n
  FROM ({source}) AS source
  ORDER BY n DESC, value
  LIMIT {limit}
) AS ranked
