SELECT
  {ordinal} AS ordinal,
  count(*) AS date_days_present,
  count(DISTINCT week) AS date_weeks_present,
  count(DISTINCT month) AS date_months_present
FROM (
  -- Day 0 was a Thursday: three days on, weeks begin on Monday as ISO's do.
  SELECT floor((unix_date(day) + 3) / 7) AS week, year(day) * 12 + month(day) AS month
  FROM (
    SELECT DISTINCT CAST({column} AS DATE) AS day FROM {relation} WHERE {column} IS NOT NULL
  ) AS days
) AS calendar
