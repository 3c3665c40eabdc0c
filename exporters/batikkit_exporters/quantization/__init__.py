"""From float to small: ranges, grids, rounding, and what training adds to them."""
