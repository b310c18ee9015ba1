"""Pictures in, arrays out. Knows nothing of networks."""
