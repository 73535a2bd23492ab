  count_if({x}) AS {as}boolean_true_count,
  count_if(NOT {x}) AS {as}boolean_false_count
