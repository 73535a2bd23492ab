  sum(abs({x} % 1)) AS {as}fractional_sum
