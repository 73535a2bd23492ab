  min({x}) AS {as}min_value,
  max({x}) AS {as}max_value,
  stddev_samp({x}) AS {as}stdev_value,
  {sum} AS {as}sum_value,
  min(CASE WHEN {x} > 0 THEN {x} END) AS {as}min_value_over_0,
  count_if({x} = 0) AS {as}zero_value_count,
  count_if({x} < 0) AS {as}negative_count
