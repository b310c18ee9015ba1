"""The engine: the mathematics of the network, by hand, in NumPy.

Read in this order: layers.py and activations.py (a formula and its derivative each), losses.py, network.py (the
chain rule over all of them), optimizers.py. gradient_check.py proves them right. Nothing here knows of files,
clocks, pictures or screens.
"""
