"""Pictures in, arrays out; knows nothing of networks.

datasets      what can be named: "mnist", "digits", a folder, a file
download      the four MNIST files, verified
formats       IDX, Keras npz and Kaggle csv, one format a function
preparation   scale, standardise, flatten, split, one-hot
photo         a picture of one digit, as MNIST would show it
"""
