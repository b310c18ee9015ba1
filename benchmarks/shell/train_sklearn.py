"""scikit-learn's MLPClassifier, from the shell to a model on disk."""

import pickle
import warnings
from pathlib import Path

from digits import arguments, load
from sklearn.neural_network import MLPClassifier

options = arguments()
x, y, x_judge, y_judge = load(options.validate)
warnings.simplefilter("ignore")
model = MLPClassifier(
    (options.hidden,), learning_rate_init=options.learning_rate, batch_size=options.batch_size,
    max_iter=options.epochs, alpha=0, random_state=options.seed,
)  # fmt: skip
model.fit(x, y)
Path("model.pkl").write_bytes(pickle.dumps(model))
print(model.score(x_judge, y_judge))
