"""The way up from the cheapest integer file to one that is good enough, judged on validation photographs."""
