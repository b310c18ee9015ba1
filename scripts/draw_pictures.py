"""Draw the README's picture, docs/pictures/readme.png.

python scripts/draw_pictures.py     some seconds: trains the `standard` recipe on MNIST, seed 0
"""

from pathlib import Path

from matplotlib.figure import Figure

from chainrule import plots
from chainrule.data.datasets import load_dataset
from chainrule.recipes import find_recipe, start

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "readme.png"


def main() -> None:
    """Train, and draw the curve, some hidden units and the most confident mistakes side by side."""
    mnist = load_dataset("mnist")
    training = start(find_recipe("standard"), mnist, seed=0)
    for report in training:
        print(report)
    model = training.model
    evaluation = model.evaluate(mnist.test_images, mnist.test_labels)
    weight = model.network.layout[0].view(model.network.parameters)

    figure = Figure(figsize=(10.5, 3.3), layout="constrained")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(1.15, 1, 1.05), wspace=0.06)
    left.suptitle(f"learning: {100 * evaluation.accuracy:.1f} % on the test images", fontsize=10)
    plots.curve(left.add_subplot(), training.history)
    middle.suptitle("what 16 of its 128 hidden units look for", fontsize=10)
    plots.weights(middle.subplots(4, 4).ravel(), weight[:, :16], model.preparation.shape)
    right.suptitle("its most confident mistakes", fontsize=10)
    worst = evaluation.mistakes()[:12]
    plots.predictions(
        right.subplots(3, 4).ravel(),
        mnist.test_images[worst],
        [str(evaluation.predictions[i]) for i in worst],
        [str(evaluation.labels[i]) for i in worst],
    )
    PICTURE.parent.mkdir(exist_ok=True)
    plots.save(figure, PICTURE)
    print(PICTURE)


if __name__ == "__main__":
    main()
