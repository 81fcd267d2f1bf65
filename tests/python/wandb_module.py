"""The module of --wandb: what scripts written for that service call, each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

PYTHON = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python")


class Module(unittest.TestCase):
    def run_script(self, script, parameters=None, expect_failure=False):
        """What it prints, what it reports, and what it says on standard error."""
        with tempfile.TemporaryDirectory() as folder:
            metrics = os.path.join(folder, "metrics")
            environment = {
                **os.environ,
                "PYTHONPATH": PYTHON,
                "PYTHONDONTWRITEBYTECODE": "1",
                "MAPFLEET_METRICS": metrics,
                "MAPFLEET_INDEX": "3",
                "MAPFLEET_INPUT": json.dumps(parameters or {}),
            }
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(script)],
                env=environment, capture_output=True, text=True, cwd=folder, check=False)
            self.assertEqual(done.returncode != 0, expect_failure, done.stderr)
            lines = []
            if os.path.exists(metrics):
                with open(metrics, encoding="utf-8") as file:
                    lines = file.read().splitlines()
        return done.stdout, lines, done.stderr

    def test_values_of_the_sweep_win_over_those_of_the_script(self):
        out, _, _ = self.run_script(
            """
            import wandb
            run = wandb.init(project="p", config={"lr": 9, "epochs": 5, "opt": {"name": "x", "b": 1}})
            c = wandb.config
            c.lr = 7
            c.update({"lr": 8, "new": 1}, allow_val_change=True)
            c.setdefaults({"epochs": 99, "more": 2})
            print(c.lr, c["epochs"], c.get("none", "-"), c.opt, "lr" in c, run.config is c)
            print(sorted(dict(**c)), sorted(c.keys()), dict(c.items()) == c.as_dict(), c.new, c.more)
            print(hasattr(c, "nothing"))
            """,
            {"lr": 0.1, "opt": {"name": "sgd"}})
        self.assertEqual(out.splitlines(), [
            "0.1 5 - {'name': 'sgd', 'b': 1} True True",
            "['epochs', 'lr', 'more', 'new', 'opt'] ['epochs', 'lr', 'more', 'new', 'opt'] "
            "True 1 2",
            "False"])

    def test_what_stands_in_their_modules_is_accepted_without_an_import_of_its_own(self):
        out, lines, err = self.run_script(
            """
            import abc
            import wandb
            wandb.init()
            wandb.log({"cm": wandb.plot.confusion_matrix(y_true=[1], preds=[1]), "loss": 1})
            wandb.alert(title="t", text="x", level=wandb.AlertLevel.WARN)
            class Callback(wandb.keras.WandbCallback, abc.ABC):
                pass
            Callback(monitor="loss")
            run: wandb.sdk.wandb_run.Run = None
            wandb.log({"level": wandb.AlertLevel.WARN, "loss": 2})
            print(isinstance(1, wandb.Image), hasattr(wandb.plot, "__float__"))
            """)
        self.assertEqual(out.splitlines(), ["False False"])
        self.assertEqual([json.loads(line) for line in lines], [{"loss": 1.0}, {"loss": 2.0}])
        self.assertIn("confusion_matrix has no effect here", err)

    def test_what_would_bring_data_raises_wherever_it_stands(self):
        for script in ("wandb.apis.public.Api()", "wandb.apis.PublicApi()",
                       "from wandb.apis.public import Api; Api()"):
            _, _, err = self.run_script("import wandb; " + script, expect_failure=True)
            self.assertIn("wandb.Api would bring data from that service", err)

    def test_a_namespace_is_a_configuration_and_config_is_there_before_init(self):
        out, _, _ = self.run_script(
            """
            import argparse
            import wandb
            print(wandb.config.lr)
            wandb.init(config=argparse.Namespace(lr=1, seed=4))
            print(wandb.config.lr, wandb.config.seed)
            """,
            {"lr": 0.5})
        self.assertEqual(out.splitlines(), ["0.5", "0.5 4"])

    def test_numbers_are_logged_flat_and_the_rest_is_skipped(self):
        _, lines, _ = self.run_script(
            """
            import wandb
            class Tensor:
                def __float__(self): return 0.25
            class Array:
                def __float__(self): raise TypeError("only one element")
            wandb.init()
            wandb.log({"loss": 1, "val": {"acc": 0.5, "deep": {"x": True}}, "text": "a",
                       "image": wandb.Image(None), "tensor": Tensor(), "array": Array(), "none": None})
            wandb.log({"loss": 0.5}, step=10)
            wandb.log({"text": "nothing"})
            """)
        self.assertEqual([json.loads(line) for line in lines], [
            {"loss": 1.0, "val.acc": 0.5, "val.deep.x": 1.0, "tensor": 0.25}, {"loss": 0.5}])

    def test_what_is_no_finite_number_has_a_line_that_is_no_json(self):
        _, lines, _ = self.run_script(
            """
            import wandb
            wandb.init()
            wandb.log({"loss": float("nan"), "a": 1})
            wandb.log({"loss": float("-inf")})
            """)
        self.assertEqual(lines, ['{"a": 1.0}', "loss=nan", "loss=-inf"])

    def test_without_commit_a_record_waits_for_the_next(self):
        _, lines, _ = self.run_script(
            """
            import wandb
            with wandb.init() as run:
                run.log({"a": 1}, commit=False)
                run.log({"b": 2})
                run.log({"c": 3}, commit=False)
            """)
        self.assertEqual(lines, ['{"a": 1.0, "b": 2.0}', '{"c": 3.0}'])

    def test_the_summary_is_reported_and_extremes_at_the_end(self):
        _, lines, _ = self.run_script(
            """
            import wandb
            run = wandb.init()
            wandb.define_metric("loss", summary="min")
            run.define_metric("val/*", summary="max")
            run.define_metric("step")
            for loss in (3, 1, 2):
                run.log({"loss": loss, "val/acc": loss})
            run.summary["best"] = 7
            run.summary.update({"x": 8, "y": "text"})
            wandb.summary["z"] = 9
            """)
        self.assertEqual([json.loads(line) for line in lines], [
            {"loss": 3.0, "val/acc": 3.0}, {"loss": 1.0, "val/acc": 1.0},
            {"loss": 2.0, "val/acc": 2.0}, {"best": 7.0}, {"x": 8.0}, {"z": 9.0},
            {"loss": 1.0, "val/acc": 3.0}])

    def test_an_agent_calls_its_function_once(self):
        out, lines, _ = self.run_script(
            """
            import wandb
            def train():
                with wandb.init() as run:
                    print("lr", run.config.lr)
                    wandb.log({"loss": run.config.lr})
            sweep_id = wandb.sweep({"method": "grid"}, project="p")
            print(sweep_id)
            wandb.agent(sweep_id, function=train, count=10)
            """,
            {"lr": 2})
        self.assertEqual(out.splitlines(), ["{'method': 'grid'}", "lr 2"])
        self.assertEqual(lines, ['{"loss": 2.0}'])

    def test_what_has_an_effect_elsewhere_is_accepted_and_said_once(self):
        out, _, err = self.run_script(
            """
            import wandb
            import wandb.integration.lightgbm
            from wandb.keras import WandbCallback
            from wandb.sdk.data_types import Video as Film
            print(wandb.__version__.count("."))
            wandb.login(key="x")
            run = wandb.init(entity="e", tags=["a"], mode="offline", settings=wandb.Settings())
            wandb.watch(None, log="all")
            wandb.watch(None)
            wandb.save("x")
            table = wandb.Table(columns=["a"])
            table.add_data(1)
            artifact = wandb.Artifact("a", type="b")
            artifact.add_file("f")
            run.log_artifact(artifact)
            run.log_code(".")
            run.alert(title="x")
            class Mine(WandbCallback):
                pass
            Mine(monitor="loss").on_epoch_end(1, {})
            try:
                raise wandb.errors.CommError("x")
            except wandb.errors.CommError:
                print("caught")
            print(len(wandb.util.generate_id()), run.id, run.name, run.tags)
            wandb.finish()
            """)
        self.assertEqual(out.splitlines(), ["2", "caught", "8 trial-3 trial-3 ('a',)"])
        self.assertEqual(err.count("wandb: watch has no effect here"), 1, err)
        self.assertIn("wandb: login has no effect here", err)
        self.assertIn("wandb: run.log_artifact has no effect here", err)

    def test_what_would_return_data_raises(self):
        for call in ("run.use_artifact('a')", "wandb.use_artifact('a')", "wandb.Api()",
                     "wandb.restore('x')", "wandb.run.restore('x')"):
            _, _, err = self.run_script(
                f"""
                import wandb
                run = wandb.init()
                {call}
                """, expect_failure=True)
            self.assertIn("would bring data from that service, and this run has none", err)

    def test_log_before_init_raises(self):
        _, _, err = self.run_script("import wandb\nwandb.log({'a': 1})", expect_failure=True)
        self.assertIn("wandb.log before wandb.init", err)

    def test_outside_of_a_run_nothing_is_written(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAPFLEET_")}
        environment.update(PYTHONPATH=PYTHON, PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(
            [sys.executable, "-c",
             "import wandb; wandb.init(config={'a': 1}); wandb.log({'b': 2}); print(wandb.config)"],
            env=environment, capture_output=True, text=True, check=True)
        self.assertEqual((done.stdout, done.stderr), ("{'a': 1}\n", ""))


if __name__ == "__main__":
    unittest.main()
