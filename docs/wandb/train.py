"""Fits a line to points by gradient descent. Written for Weights & Biases; needs nothing but Python."""
import random

import wandb

POINTS = [(x / 10, 3 * x / 10 - 1) for x in range(-10, 11)]


def loss_of(slope, offset):
    return sum((slope * x + offset - y) ** 2 for x, y in POINTS) / len(POINTS)


def train(config):
    slope, offset = random.random(), random.random()
    slope_pace = offset_pace = 0.0
    for epoch in range(config.epochs):
        errors = [(slope * x + offset - y, x) for x, y in POINTS]
        slope_pace = config.momentum * slope_pace - config.lr * sum(e * x for e, x in errors) / len(POINTS)
        offset_pace = config.momentum * offset_pace - config.lr * sum(e for e, _ in errors) / len(POINTS)
        slope, offset = slope + slope_pace, offset + offset_pace
        wandb.log({"epoch": epoch, "loss": loss_of(slope, offset)})
    return loss_of(slope, offset)


def main():
    wandb.init(project="line", config={"lr": 0.1, "momentum": 0.0, "epochs": 20})
    random.seed(0)
    loss = train(wandb.config)
    print("lr %.3g momentum %.3g: loss %.3g" % (wandb.config.lr, wandb.config.momentum, loss))
    wandb.finish()


if __name__ == "__main__":
    main()
