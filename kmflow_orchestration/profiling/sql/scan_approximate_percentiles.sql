  percentile_approx({x}, 0.25) AS {as}percentile_25,
  percentile_approx({x}, 0.5) AS {as}percentile_50,
  percentile_approx({x}, 0.75) AS {as}percentile_75,
  percentile_approx({x}, 0.95) AS {as}percentile_95
