#!/usr/bin/env python3
"""The sampler of adaptive sweeps that ships with mapfleet: Optuna's, behind lines of JSON.

Standard input and output are the protocol (docs/sweeps.md); everything else goes to standard error.
What the file says of a parameter is X, before it is rounded to multiples of q: Optuna samples X, and
the rounding is done here, as mapfleet does it.
"""

import json
import math
import os
import statistics
import sys
import warnings
from decimal import Decimal

TRIED = "MAPFLEET_SAMPLER_TRIED"  # set once the system's Python has been tried
SYSTEM_PYTHON = "/usr/bin/python3"

try:
    import optuna
except ImportError as error:
    optuna = None
    missing = str(error)
    if TRIED not in os.environ and os.access(SYSTEM_PYTHON, os.X_OK):
        # Another Python comes first in PATH than that of the package.
        os.environ[TRIED] = "1"
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, os.path.abspath(__file__)])

NORMAL = statistics.NormalDist()
EDGE = 1e-6  # of probabilities: where a distribution has no end, samples end here


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


class Refused(Exception):
    """The text goes to the user, and the sweep does not start."""


# ---- The beta distribution, for which no library needs to be there -----------------------------------


def beta_probability(x, a, b):
    """The regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_probability(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
                     + a * math.log(x) + b * math.log1p(-x)) / a
    tiny, c = 1e-300, 1.0
    d = 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 500):
        for numerator in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                          -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 / (1 + numerator * d or tiny)
            c = 1 + numerator / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * fraction


def beta_quantile(u, a, b):
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_probability(middle, a, b) < u else (low, middle)
    return (low + high) / 2


# ---- Parameters --------------------------------------------------------------------------------------


class Parameter:
    """One of the space: what Optuna samples for it, and the value that this stands for."""

    def __init__(self, definition):
        self.name = definition["name"]
        self.q = definition.get("q")
        name = definition["distribution"]
        if name.startswith("q_"):
            name = name[2:]
            self.q = definition.get("q", 1)
        self.kind = name
        self.definition = definition
        self.values = [definition["value"]] if name == "constant" else definition.get("values")
        self.is_listed = self.values is not None
        self.distribution = self.make_distribution()

    def make_distribution(self):
        floats, get = optuna.distributions.FloatDistribution, self.definition.get
        if self.is_listed:
            return optuna.distributions.CategoricalDistribution(list(range(len(self.values))))
        low, high = get("min"), get("max")
        if self.kind == "int_uniform":
            return optuna.distributions.IntDistribution(low, high)
        if self.kind == "uniform":
            return floats(low, high)
        if self.kind in ("log_uniform_values", "inv_log_uniform_values"):
            return floats(low, high, log=True)
        if self.kind == "log_uniform":
            return floats(math.exp(low), math.exp(high), log=True)
        if self.kind == "inv_log_uniform":
            return floats(math.exp(-high), math.exp(-low), log=True)
        if self.kind in ("normal", "log_normal", "beta"):
            return floats(EDGE, 1 - EDGE)  # of the probability
        raise Refused(f"{self.name}: the distribution {self.kind} is not known to this sampler")

    def quantile(self, u):
        get = self.definition.get
        if self.kind == "beta":
            return beta_quantile(u, get("a", 1), get("b", 1))
        x = get("mu", 0) + get("sigma", 1) * NORMAL.inv_cdf(u)
        return math.exp(x) if self.kind == "log_normal" else x

    def probability(self, x):
        """The other way round, for trials of the past."""
        get = self.definition.get
        if self.kind == "beta":
            return beta_probability(x, get("a", 1), get("b", 1))
        x = math.log(max(x, sys.float_info.min)) if self.kind == "log_normal" else x
        sigma = get("sigma", 1)
        return NORMAL.cdf((x - get("mu", 0)) / sigma) if sigma > 0 else 0.5

    def value(self, sample):
        if self.is_listed:
            return self.values[sample]
        x = self.quantile(sample) if self.kind in ("normal", "log_normal", "beta") else sample
        if self.q is None:
            return x
        steps = round(x / self.q)  # ties to even
        return steps * self.q if isinstance(self.q, int) else float(Decimal(repr(self.q)) * steps)

    def sample(self, value):
        """What would have given this value, or nearly."""
        if self.is_listed:
            return self.values.index(value)
        if self.kind in ("normal", "log_normal", "beta"):
            value = self.probability(value)
        return min(max(value, self.distribution.low), self.distribution.high)


# ---- The study ---------------------------------------------------------------------------------------


def make_sampler(name, seed):
    samplers = optuna.samplers
    if name == "tpe":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the option is called experimental
            return samplers.TPESampler(seed=seed, constant_liar=True)
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "cmaes":
        try:
            import cmaes  # noqa: F401
        except ImportError as error:
            raise Refused(f"the sampler cmaes needs the Python module cmaes: {error}") from None
        return samplers.CmaEsSampler(seed=seed)
    if name == "gp":
        if not hasattr(samplers, "GPSampler"):
            raise Refused(f"Optuna {optuna.__version__} has no sampler gp: take tpe")
        return samplers.GPSampler(seed=seed)
    raise Refused(f"the sampler {name} is not known: take tpe, cmaes, gp or random")


class Study:
    def __init__(self, hello):
        if optuna is None:
            raise Refused(f"Optuna is not installed ({missing}): Debian's package is python3-optuna")
        if hello.get("version") != 1:
            raise Refused("this sampler speaks version 1")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.parameters = [Parameter(definition) for definition in hello["space"]]
        self.name = hello.get("sampler", "tpe")
        self.seed = hello.get("seed", 0) % 2**31
        self.study = optuna.create_study(
            direction=hello["metric"]["goal"], sampler=make_sampler(self.name, self.seed))
        self.running = {}
        self.next_id = 0

    def ask(self, count):
        distributions = {p.name: p.distribution for p in self.parameters}
        for _ in range(count):
            trial = self.study.ask(fixed_distributions=distributions)
            values = {p.name: p.value(trial.params[p.name]) for p in self.parameters}
            self.running[self.next_id] = trial
            say({"id": self.next_id, "parameters": values})
            self.next_id += 1

    def tell(self, trial_id, value):
        trial = self.running.pop(trial_id, None)
        if trial is None:
            return
        if value is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def remember(self, past):
        """Parameters that were left out are none of such a trial. One that runs is told later."""
        for entry in past:
            self.next_id = max(self.next_id, entry["id"] + 1)
            is_running = entry["state"] == "running"
            if entry["value"] is None and not is_running:
                continue
            given = entry["parameters"]
            known = [p for p in self.parameters if p.name in given]
            states = optuna.trial.TrialState
            self.study.add_trial(
                optuna.trial.create_trial(
                    state=states.RUNNING if is_running else states.COMPLETE,
                    params={p.name: p.sample(given[p.name]) for p in known},
                    distributions={p.name: p.distribution for p in known},
                    value=entry["value"]))
            if is_running:
                self.running[entry["id"]] = len(self.study.trials) - 1
        # With the same seed as before, what is drawn at random would be drawn again.
        self.study.sampler = make_sampler(self.name, self.seed + self.next_id)


def main():
    study = None
    for line in sys.stdin:
        message = json.loads(line)
        if "version" in message:
            try:
                study = Study(message)
            except Refused as refused:
                say({"error": str(refused)})
                return 1
            say({"ready": True})
        elif "history" in message:
            study.remember(message["history"])
        elif "ask" in message:
            study.ask(message["ask"])
        elif "tell" in message:
            study.tell(message["tell"], message["value"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
