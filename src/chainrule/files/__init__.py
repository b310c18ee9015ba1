"""Models to files and back, so that nothing is lost and nothing in a file can run."""
