  percentile({x}, array(0.25, 0.5, 0.75, 0.95)) AS {as}percentiles
