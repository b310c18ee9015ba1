"""chainrule: a neural network for handwritten digits, built from NumPy and mathematics alone."""
