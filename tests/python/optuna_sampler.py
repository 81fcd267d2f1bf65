"""The sampler that ships, spoken to as rank 0 does, and one without Optuna."""

import json
import math
import os
import subprocess
import sys
import unittest

SAMPLER = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "optuna_sampler.py")

SPACE = [
    {"name": "opt.lr", "distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
    {"name": "n", "distribution": "int_uniform", "min": 1, "max": 9},
    {"name": "kind", "distribution": "categorical", "values": ["a", [1, 2], None]},
    {"name": "fixed", "distribution": "constant", "value": {"x": 1}},
    {"name": "x", "distribution": "uniform", "min": -1, "max": 1},
    {"name": "units", "distribution": "q_uniform", "min": 0, "max": 64, "q": 8},
    {"name": "rate", "distribution": "q_uniform", "min": 0, "max": 1, "q": 0.05},
    {"name": "e", "distribution": "log_uniform", "min": -3, "max": 2},
    {"name": "i", "distribution": "inv_log_uniform", "min": -3, "max": 2},
    {"name": "iv", "distribution": "inv_log_uniform_values", "min": 0.5, "max": 2},
    {"name": "g", "distribution": "normal", "mu": 3},
    {"name": "lg", "distribution": "log_normal"},
    {"name": "be", "distribution": "q_beta", "a": 2, "b": 3, "q": 0.25},
    {"name": "ql", "distribution": "q_log_uniform", "min": 1, "max": 3},
]


class Talk:
    """A sampler that runs, until it is left."""

    def __init__(self, space, sampler="tpe", goal="minimize", seed=0, environment=None):
        self.process = subprocess.Popen(
            [sys.executable, SAMPLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment)
        self.say({"version": 1, "space": space, "metric": {"name": "loss", "goal": goal},
                  "seed": seed, "sampler": sampler})
        self.answer = self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.status = self.process.wait()
        self.process.stdout.close()

    def say(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, count=1):
        self.say({"ask": count})
        return [self.hear() for _ in range(count)]


class Sampler(unittest.TestCase):
    def test_trials_are_within_the_space_and_have_their_ids(self):
        with Talk(SPACE) as talk:
            self.assertEqual(talk.answer, {"ready": True})
            for trial in talk.ask(20):
                p = trial["parameters"]
                self.assertEqual(list(p), [d["name"] for d in SPACE])
                self.assertTrue(1e-5 <= p["opt.lr"] <= 0.1)
                self.assertTrue(isinstance(p["n"], int) and 1 <= p["n"] <= 9)
                self.assertIn(p["kind"], ["a", [1, 2], None])
                self.assertEqual(p["fixed"], {"x": 1})
                self.assertIsInstance(p["units"], int)
                self.assertEqual(p["units"] % 8, 0)
                self.assertEqual(p["rate"], round(p["rate"], 2))
                self.assertTrue(math.exp(-3) <= p["e"] <= math.exp(2))
                self.assertTrue(math.exp(-2) <= p["i"] <= math.exp(3))
                self.assertTrue(0.5 <= p["iv"] <= 2)
                self.assertTrue(p["lg"] > 0)
                self.assertIn(p["be"], [0, 0.25, 0.5, 0.75, 1])
                self.assertIsInstance(p["ql"], int)
                talk.say({"report": trial["id"], "step": 1, "value": 3.0})
                talk.say({"tell": trial["id"], "value": 1.5 if trial["id"] % 3 else None,
                          "state": "succeeded" if trial["id"] % 3 else "failed"})
            self.assertEqual(talk.ask()[0]["id"], 20)
        self.assertEqual(talk.status, 0)

    def test_its_beta_distribution_is_right(self):
        code = ("import sys; sys.argv = ['x']; import runpy; "
                f"m = runpy.run_path({SAMPLER!r}); p, q = m['beta_probability'], m['beta_quantile']; "
                "print(round(p(0.3, 2, 5), 6), round(p(0.9, 0.5, 0.5), 6), round(q(0.5, 1, 1), 6), "
                "round(q(p(0.2, 3, 7), 3, 7), 6))")
        done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True,
                              env={**os.environ, "MAPFLEET_SAMPLER_TRIED": "1"}, check=True)
        self.assertEqual(done.stdout, "0.579825 0.795167 0.5 0.2\n")

    def test_the_same_seed_gives_the_same_trials(self):
        found = []
        for _ in range(2):
            with Talk(SPACE, seed=5) as talk:
                found.append(talk.ask(5))
        self.assertEqual(found[0], found[1])

    def test_it_comes_closer_than_chance(self):
        space = [{"name": "x", "distribution": "uniform", "min": -10, "max": 10},
                 {"name": "y", "distribution": "uniform", "min": -10, "max": 10}]

        def best(sampler, seed):  # the seed is fixed: a result, and no chance
            values = []
            with Talk(space, sampler=sampler, goal="maximize", seed=seed) as talk:
                for _ in range(60):
                    trial = talk.ask()[0]
                    p = trial["parameters"]
                    values.append(-((p["x"] - 3) ** 2) - (p["y"] + 2) ** 2)
                    talk.say({"tell": trial["id"], "value": values[-1], "state": "succeeded"})
            return max(values)

        self.assertGreater(best("tpe", 1), best("random", 1))

    def test_history_is_taken_up_and_ids_go_on(self):
        with Talk(SPACE) as talk:
            past = [{**trial, "value": float(trial["id"]), "state": "succeeded"}
                    for trial in talk.ask(12)]
        past[3]["value"] = None
        del past[4]["parameters"]["x"]
        with Talk(SPACE) as talk:
            talk.say({"history": past})
            self.assertEqual(talk.ask()[0]["id"], 12)

    def test_what_was_drawn_before_is_not_drawn_again(self):
        with Talk(SPACE) as talk:
            first = talk.ask(3)
        with Talk(SPACE) as talk:
            talk.say({"history": [{**t, "value": 1.0, "state": "succeeded"} for t in first]})
            again = talk.ask(3)
        self.assertFalse({t["parameters"]["x"] for t in first} &
                         {t["parameters"]["x"] for t in again})

    def test_a_trial_that_runs_while_the_sampler_starts_anew_is_told_later(self):
        with Talk(SPACE) as talk:
            past = [{**trial, "value": float(trial["id"]), "state": "succeeded"}
                    for trial in talk.ask(12)]
        past[5].update(value=None, state="running")
        with Talk(SPACE) as talk:
            talk.say({"history": past})
            self.assertEqual(talk.ask()[0]["id"], 12)
            talk.say({"tell": 5, "value": 0.5, "state": "succeeded"})
            talk.say({"tell": 5, "value": 0.5, "state": "succeeded"})
            self.assertEqual(talk.ask()[0]["id"], 13)
        self.assertEqual(talk.status, 0)

    def test_what_is_not_known_is_refused_with_a_sentence(self):
        with Talk(SPACE, sampler="genius") as talk:
            self.assertEqual(
                talk.answer,
                {"error": "the sampler genius is not known: take tpe, cmaes, gp or random"})
        self.assertEqual(talk.status, 1)
        with Talk([{"name": "a", "distribution": "zipf"}]) as talk:
            self.assertEqual(
                talk.answer,
                {"error": "a: the distribution zipf is not known to this sampler"})

    def test_without_optuna_it_names_the_package(self):
        environment = {**os.environ, "MAPFLEET_SAMPLER_TRIED": "1"}
        code = ("import sys; sys.modules['optuna'] = None; import runpy; "
                f"runpy.run_path({SAMPLER!r}, run_name='__main__')")
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, text=True, capture_output=True,
            input='{"version": 1, "space": [], "metric": {"goal": "minimize"}}\n', check=False)
        self.assertIn("Debian's package is python3-optuna", json.loads(done.stdout)["error"])


if __name__ == "__main__":
    unittest.main()
