"""A network with one hidden layer on the table of wines. Written for Weights & Biases; needs nothing
but Python."""
import csv
import math
import os
import random

import wandb

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tables", "wine.csv")
CLASSES = 3


def read_table(path):
    with open(path, newline="") as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    lows = [min(column) for column in zip(*rows)]
    highs = [max(column) for column in zip(*rows)]
    return [([(x - low) / (high - low) for x, low, high in zip(row[:-1], lows, highs)] + [1.0],
             int(row[-1])) for row in rows]


class Network:
    def __init__(self, inputs, hidden):
        self.first = [[random.gauss(0, 0.5) for _ in range(inputs)] for _ in range(hidden)]
        self.second = [[random.gauss(0, 0.5) for _ in range(hidden + 1)] for _ in range(CLASSES)]
        self.paces = [[[0.0] * len(row) for row in layer] for layer in (self.first, self.second)]

    def forward(self, row):
        middle = [math.tanh(sum(w * x for w, x in zip(weights, row))) for weights in self.first] + [1.0]
        scores = [sum(w * x for w, x in zip(weights, middle)) for weights in self.second]
        powers = [math.exp(score - max(scores)) for score in scores]
        return middle, [power / sum(powers) for power in powers]

    def learn(self, row, label, lr, momentum):
        middle, chances = self.forward(row)
        errors = [chance - (k == label) for k, chance in enumerate(chances)]
        backward = [(1 - m * m) * sum(e * self.second[k][j] for k, e in enumerate(errors))
                    for j, m in enumerate(middle[:-1])]
        for layer, paces, outer, inner in ((self.first, self.paces[0], backward, row),
                                           (self.second, self.paces[1], errors, middle)):
            for weights, pace, error in zip(layer, paces, outer):
                for i, x in enumerate(inner):
                    pace[i] = momentum * pace[i] - lr * error * x
                    weights[i] += pace[i]


def evaluate(network, table):
    chances = [(network.forward(row)[1], label) for row, label in table]
    loss = -sum(math.log(max(c[label], 1e-12)) for c, label in chances) / len(table)
    return loss, sum(1 for c, label in chances if max(c) == c[label]) / len(table)


def main():
    wandb.init(project="wine", config={"lr": 0.1, "hidden": 8, "momentum": 0.0, "epochs": 10})
    config = wandb.config
    random.seed(0)
    table = read_table(TABLE)
    held_out = table[::5]
    learnt = [row for i, row in enumerate(table) if i % 5 != 0]
    network = Network(len(table[0][0]), config.hidden)
    wandb.watch(network)
    for epoch in range(config.epochs):
        random.shuffle(learnt)
        for row, label in learnt:
            network.learn(row, label, config.lr, config.momentum)
        loss, accuracy = evaluate(network, held_out)
        wandb.log({"epoch": epoch, "val/loss": loss, "val/accuracy": accuracy})
    wandb.finish()


if __name__ == "__main__":
    main()
