"""The steps from photographs to a measured file as functions: what the commands call, and what Python calls."""
