"""Plausible wrong answers to every exercise, each with a piece of the hint that it should get."""

import struct

import numpy as np


def sm(z, axis=0):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def p_of(A, Y):
    return A[Y, np.arange(len(Y))]


def idx(content, start, order=">"):
    _, n, h, w = struct.unpack(f"{order}IIII", content[:16])
    return np.frombuffer(content[start:], np.uint8), (n, h, w)


def grad(f, w, h=1e-5, both=True, over=2):
    g = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = h
        g[i] = (f(w + step) - f(w - step)) / (over * h) if both else (f(w + step) - f(w)) / h
    return g


def all_at_once(f, w):
    return np.full_like(w, (f(w + 1e-5) - f(w - 1e-5)) / 2e-5)


def walk(gradient, w, rate, steps, sign=-1):
    for _ in range(steps):
        w = w + sign * rate * gradient(w)
    return w


def two_layers(X, Y, Z1, A1, A2, W2, *, total=False, mask="z", m=None, source=None, extra=1.0, two=1.0):
    m = m or X.shape[1]
    d2 = two * (A2 - Y) / m
    back = W2.T @ d2
    d1 = back * {"z": Z1 > 0, "back": back > 0, "none": 1.0}[mask] * extra
    source = {None: A1, "X": X, "Z1": Z1}[source]

    def s(d):
        return d.sum() if total else d.sum(axis=1, keepdims=True)

    return d1 @ X.T, s(d1), d2 @ source.T, s(d2)


def one_step(X, Y, W1, b1, W2, b2, rate, *, early=False, sign=1.0, masked=True):
    Z1 = W1 @ X + b1
    A1 = np.maximum(Z1, 0)
    d2 = (sm(W2 @ A1 + b2) - Y) / X.shape[1]
    new2 = W2 - sign * rate * d2 @ A1.T
    d1 = (new2 if early else W2).T @ d2 * ((Z1 > 0) if masked else 1)
    return (
        W1 - sign * rate * d1 @ X.T,
        b1 - sign * rate * d1.sum(axis=1, keepdims=True),
        new2,
        b2 - sign * rate * d2.sum(axis=1, keepdims=True),
    )


def adam(w, m, v, g, t, rate, *, correct=True, root=True, beta=0.1):
    m = 0.9 * m + beta * g
    v = 0.999 * v + 0.001 * g**2
    mh, vh = (m / (1 - 0.9**t), v / (1 - 0.999**t)) if correct else (m, v)
    return w - rate * mh / ((np.sqrt(vh) if root else vh) + 1e-8), m, v


def keep_some(A, keep, rng, power):
    mask = rng.random(A.shape) < keep
    return A * mask * keep**power, mask


def confusion(labels, predictions, classes):
    c = np.zeros((classes, classes), int)
    np.add.at(c, (labels, predictions), 1)
    return c


def once(labels, predictions, classes):
    c = np.zeros((classes, classes), int)
    c[labels, predictions] += 1
    return c


def by_bins(sure, right, edges, of):
    found = []
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        inside = (sure >= a) & (sure < b)
        found.append(of(sure, right, inside))
    return np.array(found)


def mean_or_zero(sure, right, inside):
    return right[inside].mean() if inside.any() else 0.0


def mean_sure(sure, right, inside):
    return sure[inside].mean() if inside.any() else np.nan


def patient(losses, patience, answer):
    best = 0
    for epoch, loss in enumerate(losses):
        if loss < losses[best]:
            best = epoch
        if epoch - best == patience:
            return answer(best, epoch)
    return answer(best, len(losses) - 1)


def views_of_copies(arrays):
    theta = np.concatenate([a.reshape(-1) for a in arrays])
    return theta, [a.copy() for a in arrays]


def forward_only(n, sizes):
    return n * sum(a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True))


def windows(image, kernel):
    return np.lib.stride_tricks.sliding_window_view(image, kernel.shape)


def overwriting(steps, x, add=False):
    values = [x]
    for kind, i, j in steps:
        values.append(values[i] + values[j] if kind == "add" else values[i] * values[j])
    g = [0.0] * len(values)
    g[-1] = 1.0
    for k in range(len(steps), 0, -1):
        kind, i, j = steps[k - 1]
        g[i] = g[k] * (1 if kind == "add" else values[j])
        g[j] = g[k] * (1 if kind == "add" else values[i])
    return g[0]


def into(out, value):
    out[...] = value


def checked(loss, gradients, parameters, limit):
    given = gradients(parameters)
    wrong = set()
    for name, array in parameters.items():
        n = grad(lambda v, name=name: loss({**parameters, name: v}), array, h=1e-5)
        if np.linalg.norm(given[name] - n) / np.linalg.norm(given[name] + n) > limit:
            wrong.add(name)
    return wrong


CURVES = ["rate too large", "rate too small", "over-fitting", "unshuffled", "dead units"]

WRONG = {
    "1.1": [
        (lambda c: idx(c, 8)[0], "eight numbers too many"),
        (lambda c: idx(c, 16)[0], "in one row"),
        (lambda c: idx(c, 16)[0].reshape(idx(c, 16)[1]).astype(float), "Read it as uint8"),
        (lambda c: None, "Is there a `return`"),
    ],
    "1.2": [
        (lambda x: x // 255, "Divide with /"),
        (lambda x: x / 256, "255/256"),
        (lambda x: np.divide(x, 128.0), "times what they should be"),
    ],
    "1.3": [
        (lambda y, c: np.eye(y.max() + 1)[y], "lack the last class"),
        (lambda y, c: np.eye(c)[y].T, "Rows and columns are exchanged"),
        (lambda y, c: np.eye(c)[(y + 1) % c], "counted from 0"),
    ],
    "1.4": [
        (lambda x, y, d: x.mean(axis=0), "of all pictures"),
        (lambda x, y, d: x[y == d].sum(axis=0), "That is the sum"),
        (lambda x, y, d: x[y == d].mean(), "one number"),
    ],
    "2.1": [
        (lambda Z: np.exp(Z) / np.exp(Z).sum(), "whole array adds up"),
        (lambda Z: sm(Z, 1), "Each row adds up"),
        (np.exp, "don't add up to 1 yet"),
        (lambda Z: Z / Z.sum(axis=0), "makes them positive first"),
    ],
    "2.2": [
        (lambda W, b, X: sm(W @ X), "bias is missing"),
        (lambda W, b, X: W @ X + b, "Softmax is still to come"),
        (lambda W, b, X: sm(W @ X + b).T, "one column for each example"),
        (lambda W, b, X: sm(X @ W + b), "stopped with ValueError"),
    ],
    "2.3": [
        (lambda A, Y: np.sum(A.argmax(axis=0) == Y), "Divide by the number"),
        (lambda A, Y: np.mean(A.argmax(axis=0) != Y), "wrong ones"),
        (lambda A, Y: A.argmax(axis=0) == Y, "has the shape"),
    ],
    "2.4": [
        (lambda W, b: (W, b), "W is unchanged"),
        (lambda W, b: (W.T, b), "still is a column"),
        (lambda W, b: (W.T, -b.T), "times what they should be"),
    ],
    "3.1": [
        (lambda A, Y: -np.log(p_of(A, Y)).sum(), "sum over the examples"),
        (lambda A, Y: np.log(p_of(A, Y)).mean(), "The sign"),
        (lambda A, Y: -np.log(A.max(axis=0)).mean(), "largest probability"),
        (lambda A, Y: -np.log10(p_of(A, Y)).mean(), "log10"),
        (lambda A, Y: -np.log(p_of(A, Y).mean()), "logarithm of the mean"),
    ],
    "3.2": [
        (lambda Z: np.exp(Z) / np.exp(Z).sum(axis=0), "e^1000 is infinity"),
        (lambda Z: np.exp(Z - Z.max()) / np.exp(Z - Z.max()).sum(axis=0), "own largest score"),
        (lambda Z: sm(Z, 1), "Each row adds up"),
    ],
    "3.3": [
        (lambda A, T: ((A - T) ** 2).sum(axis=0).mean(), "half is missing"),
        (lambda A, T: 0.5 * ((A - T) ** 2).mean(), "mean over the classes as well"),
        (lambda A, T: 0.5 * ((A - T) ** 2).sum(), "sum over the examples"),
    ],
    "3.4": [
        (lambda c: -np.log(c), "The sign"),
        (lambda c: 1 / c, "the probability that each class"),
        (np.log2, "natural logarithm"),
    ],
    "4.1": [
        (lambda f, w: grad(f, w, both=False), "right to five digits"),
        (lambda f, w: grad(f, w, over=1), "you divide by h"),
        (lambda f, w: -grad(f, w), "The sign"),
        (all_at_once, "one entry at a time"),
    ],
    "4.2": [
        (lambda g, w, rate, steps: walk(g, w, rate, steps, 1), "climbs"),
        (lambda g, w, rate, steps: walk(g, w, rate, 1), "one step only"),
        (lambda g, w, rate, steps: w - steps * rate * g(w), "computed once"),
        (lambda g, w, rate, steps: walk(g, w, rate, steps - 1), "one step too few"),
    ],
    "4.3": [
        (lambda s: sum(b * (a + 1) for a, b in zip(s[:-1], s[1:], strict=True)), "two evaluations"),
        (lambda s: 2 * sum(b * a for a, b in zip(s[:-1], s[1:], strict=True)), "biases are parameters"),
        (lambda s: 2 * sum(b * a for a, b in zip(s[:-1], s[1:], strict=True)) + 2 * sum(s), "no bias in the input"),
    ],
    "5.1": [
        (lambda A, Y: A - Y, "Did you divide by m"),
        (lambda A, Y: (A - Y).sum(axis=0), "has the shape"),
        (lambda A, Y: (Y - A) / A.shape[1], "The sign"),
        (lambda A, Y: (A - Y) / A.size, "all entries"),
    ],
    "5.2": [
        (lambda X, A, Y: ((A - Y) @ X.T, (A - Y).sum(axis=1, keepdims=True)), "wrong for two: did you divide by m"),
        (lambda X, A, Y: ((A - Y) @ X.T / X.shape[1], np.sum(A - Y) / X.shape[1]), "one number for all units"),
        (lambda X, A, Y: ((A - Y) @ X.T / X.shape[1], (A - Y).sum(axis=1) / X.shape[1]), "keepdims=True"),
        (lambda X, A, Y: (X @ (A - Y).T / X.shape[1], 0), "shape of Wᵀ"),
    ],
    "5.3": [
        (lambda d, Z: d * (d > 0), "where dA is positive"),
        (lambda d, Z: Z > 0, "derivative alone"),
        (lambda d, Z: d, "derivative is missing"),
        (lambda d, Z: d * np.maximum(Z, 0), "1 or 0"),
    ],
    "5.4": [
        (lambda *a: two_layers(*a, total=True), "one number for all units"),
        (lambda *a: two_layers(*a, mask="none"), "derivative is missing on the way back"),
        (lambda *a: two_layers(*a, mask="back"), "mask is that of what comes back"),
        (lambda *a: two_layers(*a, m=1), "did you divide by m"),
        (lambda *a: two_layers(*a, source="Z1"), "input is A1"),
    ],
    "5.5": [
        (lambda a, n: np.linalg.norm(a - n), "absolute error"),
        (lambda a, n: np.linalg.norm(a - n) / np.linalg.norm(n), "one norm only"),
        (lambda a, n: np.linalg.norm(a - n) / (np.linalg.norm(a) + np.linalg.norm(n)), "NaN"),
    ],
    "6.1": [
        (lambda P, G, r: [p + r * g for p, g in zip(P, G, strict=True)], "climbs"),
        (lambda P, G, r: [p - g for p, g in zip(P, G, strict=True)], "learning rate is missing"),
        (lambda P, G, r: [p.__isub__(r * g) for p, g in zip(P, G, strict=True)], "changes its arguments"),
    ],
    "6.2": [
        (lambda i, o, rng: rng.standard_normal((i, o)) * np.sqrt(2 / i), "(outputs, inputs)"),
        (lambda i, o, rng: rng.standard_normal((o, i)) * np.sqrt(1 / i), "has a 2"),
        (lambda i, o, rng: rng.standard_normal((o, i)), "about 20"),
        (lambda i, o, rng: np.zeros((o, i)), "stay alike"),
        (
            lambda i, o, rng: np.random.default_rng(0).standard_normal((o, i)) * np.sqrt(2 / i),
            "generator you are given",
        ),
        (lambda i, o, rng: rng.random((o, i)) * 0.1, "mean is not 0"),
    ],
    "6.3": [
        (lambda Z: (Z <= 0).any(axis=1), "silent for some example"),
        (lambda Z: (Z > 0).any(axis=1), "living ones"),
        (lambda Z: (Z <= 0).all(axis=0), "Ask for each unit"),
        (lambda Z: (Z <= 0).all(), "not one for all"),
    ],
    "6.4": [
        (lambda *a: one_step(*a, early=True), "after W2 was updated"),
        (lambda *a: one_step(*a, sign=-1.0), "climbs"),
        (lambda *a: one_step(*a, masked=False), "numbers are wrong"),
        (lambda *a: one_step(*a)[0], "Return four arrays"),
    ],
    "7.1": [
        (lambda *a: two_layers(*a, two=2.0), "factor of 2"),
        (lambda *a: two_layers(*a, total=True), "one number for all units"),
        (lambda *a: two_layers(*a, mask="back"), "of what comes back"),
        (lambda *a: two_layers(*a, mask="none"), "gone altogether"),
    ],
    "7.2": [
        (lambda d, mask, keep: d * mask, "scale is missing"),
        (lambda d, mask, keep: d / keep, "mask is missing"),
        (lambda d, mask, keep: d * mask * keep, "it was divided"),
    ],
    "7.3": [
        (CURVES[::-1], "Curve 1"),
        (CURVES[:4], "five curves"),
        ([*CURVES[:2], "unshuffled", "over-fitting", CURVES[4]], "Curve 3"),
        (["no idea"] * 5, "none of these"),
    ],
    "7.4": [
        (lambda *a: checked(*a, 1e-14), "accuses a right gradient"),
        (lambda *a: checked(*a, 0.1), "misses one"),
        (lambda *a: None, "a set of names"),
    ],
    "8.1": [
        (lambda n, s, rng: np.array_split(rng.permutation(n)[: n - n % s], n // s), "smaller batch is missing"),
        (lambda n, s, rng: [np.arange(n)[i : i + s] for i in range(0, n, s)], "Shuffle it"),
        (lambda n, s, rng: [rng.integers(0, n, s) for _ in range(n // s + 1)], "exactly once"),
    ],
    "8.2": [
        (lambda w, v, g, r, mu: (w - r * (mu * v + (1 - mu) * g), mu * v + (1 - mu) * g), "another learning rate"),
        (lambda w, v, g, r, mu: (w - r * v, mu * v + g), "old v"),
        (lambda w, v, g, r, mu: (w - r * g, mu * v + g), "plain descent"),
    ],
    "8.3": [
        (lambda *a: adam(*a, correct=False), "correction of the start"),
        (lambda *a: adam(*a, root=False), "root is missing"),
        (lambda *a: adam(*a, beta=1.0), "add up to 1"),
    ],
    "8.4": [
        (lambda t, w, n, p: p * 0.5 * (1 + np.cos(np.pi * t / n)), "Half-way up"),
        (lambda t, w, n, p: p * t / w if t < w else p * (n - t) / (n - w), "in a line"),
        (lambda t, w, n, p: p * t / w if t < w else p * np.cos(np.pi * (t - w) / (n - w)), "wrong"),
    ],
    "9.1": [
        (lambda d, W, s: d + 2 * s * W, "cancels the 2"),
        (lambda d, W, s: d - s * W, "The sign"),
        (lambda d, W, s: d + s / 2 * W**2, "not its derivative"),
    ],
    "9.2": [
        (lambda A, k, rng: keep_some(A, k, rng, 0), "mean falls by a fifth"),
        (lambda A, k, rng: keep_some(A, k, rng, 1), "don't multiply"),
        (lambda A, k, rng: keep_some(A, 1 - k, rng, -1), "the part that stays"),
    ],
    "9.3": [
        (lambda L, p: (int(np.argmin(L)), len(L) - 1), "never gets there"),
        (lambda L, p: patient(L, 1, lambda best, epoch: (best, best)), "Be patient"),
        (lambda L, p: patient(L, p, lambda best, epoch: (epoch, epoch)), "Keep the best one"),
    ],
    "9.4": [
        (lambda x, d, r: np.roll(x, (d, r), axis=(0, 1)), "A picture has edges"),
        (lambda x, d, r: x, "unchanged"),
        (lambda x, d, r: np.zeros_like(x), "all 0"),
    ],
    "10.1": [
        (lambda y, p, c: confusion(p, y, c), "labels are the rows"),
        (once, "np.add.at"),
        (lambda y, p, c: confusion(y, p, c) / len(y), "not counts"),
    ],
    "10.2": [
        (lambda P, y, k: np.argsort(-P.max(axis=1))[:k], "right or wrong"),
        (lambda P, y, k: np.array([i for i in np.argsort(P.max(axis=1)) if P[i].argmax() != y[i]][:k]), "least sure"),
        (
            lambda P, y, k: np.array([i for i in np.argsort(-P.max(axis=1)) if P[i].argmax() == y[i]][:k]),
            "Those are right",
        ),
    ],
    "10.3": [
        (lambda s, r, e: by_bins(s, r, e, lambda s, r, i: r[i].sum()), "Divide by how many"),
        (lambda s, r, e: by_bins(s, r, e, mean_sure), "confidences themselves"),
        (lambda s, r, e: by_bins(s, r, np.append(e, 2), mean_or_zero), "has the shape"),
    ],
    "10.4": [
        (lambda W1, b1, W2, x, c: W2[c] @ W1, "silent units"),
        (lambda W1, b1, W2, x, c: (W2.sum(axis=0) * (W1 @ x + b1 > 0)) @ W1, "all classes"),
        (lambda W1, b1, W2, x, c: (W2[c] * (W1 @ x + b1 > 0)) @ W1 * x, "contribution"),
    ],
    "11.1": [
        (lambda x, W, b, out: x @ W + b, "still holds what was in it"),
        (lambda x, W, b, out: np.matmul(x, W, out=out), "bias is missing"),
        (lambda x, W, b, out: into(out, x @ W + b), "new arrays"),
    ],
    "11.2": [
        (forward_only, "forward alone"),
        (lambda n, s: 2 * forward_only(n, s), "two products a layer"),
        (lambda n, s: 3 * forward_only(n, s), "one product less"),
    ],
    "11.3": [
        (views_of_copies, "they are copies"),
        (lambda a: (np.concatenate([x.reshape(-1) for x in a[::-1]]), a), "numbers are wrong"),
        (lambda a: np.concatenate([x.reshape(-1) for x in a]), "Return two things"),
    ],
    "11.4": [
        (lambda p, f: f, "own factor"),
        (lambda p, f: 1 - p + p / f, "the time that is left"),
        (lambda p, f: 1 / (1 - p), "still takes"),
    ],
    "12.1": [
        (lambda x, k: (windows(x, k) * k[::-1, ::-1]).sum(axis=(2, 3)), "turned round"),
        (lambda x, k: (windows(x, k) * k).sum(axis=(2, 3))[:-1, :-1], "last row and column"),
        (lambda x, k: (windows(x, k) * k).mean(axis=(2, 3)), "That is a mean"),
    ],
    "12.2": [
        (lambda A, B, d: ((d @ B.T).T, A.T @ d), "dA is transposed"),
        (lambda A, B, d: (d @ B.T, d.T @ A), "dB is transposed"),
        (lambda A, B, d: d @ B.T, "Return two arrays"),
    ],
    "12.3": [
        (overwriting, "used twice"),
        (lambda steps, x: x, "numbers are wrong"),
        (lambda steps, x: None, "Is there a `return`"),
    ],
}
