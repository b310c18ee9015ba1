"""The loop, what it reports, and how good the result is."""
