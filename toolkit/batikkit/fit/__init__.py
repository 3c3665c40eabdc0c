"""The most right network within a board's budget: what fits is searched, what does not is never trained."""
