  count_if(isnan({raw})) AS {as}nan_count,
  count_if(abs({raw}) = CAST('infinity' AS DOUBLE)) AS {as}inf_count
