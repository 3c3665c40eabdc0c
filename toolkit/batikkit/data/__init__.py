"""A folder of photographs made trustworthy: inspected, copies found, grouped, split, decoded once; or drawn."""
