"""One export as a transaction: planned, made, proven, and put in its place at once."""
