SELECT
  {ordinal} AS ordinal,
  {distinct_count} AS distinct_count,
  {hash_sum} AS hash_sum,
  min(length(value)) AS min_length,
  max(length(value)) AS max_length,
  sum(CASE WHEN value <> '' THEN length(value) * n END) / sum(CASE WHEN value <> '' THEN n END) AS avg_length,
  {distinct_std} AS distinct_std_count,
  sum(CASE WHEN value = '' THEN n ELSE 0 END) AS zero_length_count,
  sum(CASE WHEN value = '0' OR (value LIKE '0.0%' AND translate(value, '0', '') = '.') THEN n ELSE 0 END) AS zero_value_count,
  sum(CASE WHEN value LIKE ' %' THEN n ELSE 0 END) AS lead_space_count,
  sum(CASE WHEN value LIKE '"%"' OR value LIKE '\'%\'' THEN n ELSE 0 END) AS quoted_value_count,
  sum(CASE WHEN pattern LIKE '%N%' THEN n ELSE 0 END) AS includes_digit_count,
  sum(CASE
    WHEN length(value) >= 1 AND translate(value, '.-? ', '') = '' THEN n
    WHEN length(value) >= 2 AND translate(lowered, '09xz', '') = '' THEN n
    WHEN lowered IN (
      'blank', 'error', 'missing', 'tbd', 'n/a', '#na', 'none', 'null', 'unknown',
      '(blank)', '(error)', '(missing)', '(tbd)', '(n/a)', '(#na)', '(none)', '(null)', '(unknown)',
      '[blank]', '[error]', '[missing]', '[tbd]', '[n/a]', '[#na]', '[none]', '[null]', '[unknown]'
    ) THEN n
    ELSE 0
  END) AS filled_value_count,
  substr(min(CASE WHEN value <> '' THEN value END), 1, 100) AS min_text,
  substr(max(CASE WHEN value <> '' THEN value END), 1, 100) AS max_text,
  sum(CASE WHEN pattern LIKE '%A%' AND pattern NOT LIKE '%a%' THEN n ELSE 0 END) AS upper_case_count,
  sum(CASE WHEN pattern LIKE '%a%' AND pattern NOT LIKE '%A%' THEN n ELSE 0 END) AS lower_case_count,
  sum(CASE WHEN pattern NOT LIKE '%a%' AND pattern NOT LIKE '%A%' THEN n ELSE 0 END) AS non_alpha_count,
  sum(CASE
    WHEN value RLIKE '[\\x{00}-\\x{08}\\x{0B}\\x{0C}\\x{0E}-\\x{1F}\\x{7F}-\\x{A0}\\x{2009}\\x{200B}-\\x{200F}\\x{202F}\\x{3000}\\x{FEFF}]'
    THEN n ELSE 0
  END) AS non_printing_count,
  sum(CASE
    WHEN pattern LIKE '%N%' AND pattern NOT LIKE '%a%' AND pattern NOT LIKE '%A%'
      AND value RLIKE '^[+-]?[$€£¥]?([0-9]{1,3}(,[0-9]{3})+|[0-9]+)([.][0-9]+)?%?\\z'
    THEN n ELSE 0
  END) AS numeric_count,
  -- A cast builds an error text for each misfit: only what looks like a date is cast.
  sum(CASE
    WHEN iso_day BETWEEN '1800' AND '2200-99' AND try_cast(iso_day AS DATE) IS NOT NULL THEN n ELSE 0
  END) AS date_count,
  sum(CASE WHEN length(trimmed) > length(squeezed) THEN n ELSE 0 END) AS embedded_space_count,
  CAST(sum((length(trimmed) - length(squeezed)) * n) AS DOUBLE) / sum(n) AS avg_embedded_spaces,
  sum(CASE WHEN octet_length(value) > length(value) THEN n ELSE 0 END) AS non_ascii_count
FROM (
  SELECT
    value,
    n,
    pattern,
    lowered,
    trimmed,
    {key} AS hash_key,
    translate(trimmed, ' ', '') AS squeezed,
    upper(translate(value, ' \',.-', '')) AS standard,
    CASE
      WHEN pattern = 'NNNNNNNN' THEN concat(substr(value, 1, 4), '-', substr(value, 5, 2), '-', substr(value, 7, 2))
      WHEN pattern = 'NNNN-NN-NN' THEN value
      WHEN pattern IN ('NN/NN/NNNN', 'NN-NN-NNNN') THEN concat(substr(value, 7, 4), '-', substr(value, 1, 2), '-', substr(value, 4, 2))
      WHEN pattern = 'NN-NN-NN' THEN concat(
        CASE WHEN substr(value, 7, 2) < '70' THEN '20' ELSE '19' END,
        substr(value, 7, 2), '-', substr(value, 1, 2), '-', substr(value, 4, 2))
      WHEN pattern RLIKE '^NN [Aa]+ NNNN\\z' THEN concat(
        substr(value, length(value) - 3, 4), '-',
        CASE substr(lowered, 4, length(value) - 8)
          WHEN 'jan' THEN '01' WHEN 'january' THEN '01'
          WHEN 'feb' THEN '02' WHEN 'february' THEN '02'
          WHEN 'mar' THEN '03' WHEN 'march' THEN '03'
          WHEN 'apr' THEN '04' WHEN 'april' THEN '04'
          WHEN 'may' THEN '05'
          WHEN 'jun' THEN '06' WHEN 'june' THEN '06'
          WHEN 'jul' THEN '07' WHEN 'july' THEN '07'
          WHEN 'aug' THEN '08' WHEN 'august' THEN '08'
          WHEN 'sep' THEN '09' WHEN 'september' THEN '09'
          WHEN 'oct' THEN '10' WHEN 'october' THEN '10'
          WHEN 'nov' THEN '11' WHEN 'november' THEN '11'
          WHEN 'dec' THEN '12' WHEN 'december' THEN '12'
        END,
        '-', substr(value, 1, 2))
      WHEN pattern LIKE 'NNNN-NN-NN_NN:NN%'
        AND value RLIKE '^.{10}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?( ?(Z|[+-][0-9]{2}(:?[0-9]{2})?))?\\z'
      THEN substr(value, 1, 10)
    END AS iso_day
  FROM (
    SELECT value, n, lower(value) AS lowered, trim(value) AS trimmed, {pattern} AS pattern
    FROM ({source}) AS source
  ) AS read
) AS shaped
