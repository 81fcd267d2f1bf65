#!/usr/bin/env python3
"""Logistic regression on the table of wines: by scikit-learn where it is installed, else by hand.

Learns from a fifth of the rows, and prints accuracy=VALUE on the others after each epoch.
"""
import argparse
import csv
import math
import os
import random

try:
    from sklearn.linear_model import SGDClassifier
except ImportError:
    SGDClassifier = None

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tables", "wine.csv")
CLASSES = [0, 1, 2]


def read_table(path):
    """The columns, each of mean 0 and deviation 1, and the classes."""
    with open(path, newline="") as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    columns = []
    for column in list(zip(*rows))[:-1]:
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((cell - mean) ** 2 for cell in column) / len(column))
        columns.append([(cell - mean) / deviation for cell in column])
    return [list(row) for row in zip(*columns)], [int(row[-1]) for row in rows]


class Regression:
    """What SGDClassifier does here, for machines without it."""

    def __init__(self, lr, l2, column_count):
        self.lr, self.l2 = lr, l2
        self.weights = [[0.0] * (column_count + 1) for _ in CLASSES]

    def scores(self, row):
        return [sum(w * x for w, x in zip(weights, row + [1.0])) for weights in self.weights]

    def partial_fit(self, rows, labels, classes=None):
        for row, label in zip(rows, labels):
            scores = self.scores(row)
            powers = [math.exp(score - max(scores)) for score in scores]
            for k, weights in enumerate(self.weights):
                error = powers[k] / sum(powers) - (1.0 if k == label else 0.0)
                for i, x in enumerate(row + [1.0]):
                    weights[i] -= self.lr * (error * x + self.l2 * weights[i])

    def predict(self, rows):
        return [max(CLASSES, key=self.scores(row).__getitem__) for row in rows]


def make_model(arguments, column_count):
    if SGDClassifier is None:
        return Regression(arguments.lr, arguments.l2, column_count)
    return SGDClassifier(loss="log_loss", learning_rate="constant", eta0=arguments.lr,
                         alpha=arguments.l2, shuffle=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--l2", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()

    rows, labels = read_table(TABLE)
    learnt = list(range(0, len(rows), 5))
    held_out = [i for i in range(len(rows)) if i % 5 != 0]
    model = make_model(arguments, len(rows[0]))
    draw = random.Random(int(os.environ.get("MAPFLEET_SEED", "0")))
    for _ in range(arguments.epochs):
        draw.shuffle(learnt)
        model.partial_fit([rows[i] for i in learnt], [labels[i] for i in learnt], classes=CLASSES)
        found = model.predict([rows[i] for i in held_out])
        correct = sum(1 for i, label in zip(held_out, found) if label == labels[i])
        print("accuracy=%r" % (correct / len(held_out)))


if __name__ == "__main__":
    main()
