"""What scripts written for Weights & Biases call, for runs of `mapfleet sweep --wandb`.

No service, no account and no network: the parameters of the trial come from its environment, what is
logged goes to the file that mapfleet reads metrics from, and everything that has an effect only on
that service is accepted and has none. Made for this purpose, with nothing of theirs in it.
"""

import abc
import atexit
import collections.abc
import fnmatch
import importlib.abc
import importlib.machinery
import json
import math
import os
import sys
import types

__version__ = "0.19.0"

run = None


# ---- Saying things once ------------------------------------------------------------------------------

_said = set()


def _say(text):
    if text not in _said:
        _said.add(text)
        print("mapfleet: wandb: " + text, file=sys.stderr, flush=True)


def _refuse(name):
    raise RuntimeError(
        f"wandb.{name} would bring data from that service, and this run has none: "
        "name a file or a folder instead"
    )


# ---- What has no effect here -------------------------------------------------------------------------


class _Anything(abc.ABCMeta):
    """A class that stands for a module or an enumeration, too: wandb.plot.line, AlertLevel.WARN."""

    def __getattr__(cls, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _inert(name)


class _Nothing(metaclass=_Anything):
    """Stands for anything of theirs: may be called, entered, iterated over, subclassed."""

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType):
            return args[0]  # as a decorator
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return _Nothing()

    def __setitem__(self, key, value):
        pass

    def __getitem__(self, key):
        return _Nothing()

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return False


def _inert(name):
    """Of a name that is not known here: a class, so that it may be subclassed, caught or called."""
    if name in ("Api", "PublicApi"):
        return Api
    if name.endswith(("Error", "Exception")):
        return type(name, (Exception,), {})

    def accept(self, *args, **kwargs):
        _say(f"{name} has no effect here")

    return type(name, (_Nothing,), {"__init__": accept})


class _Submodule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = _inert(name)
        setattr(self, name, value)
        return value


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any `import wandb.something` works."""

    def find_spec(self, name, path, target=None):
        if name.startswith(__name__ + "."):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return _Submodule(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(_Finder())


# ---- Parameters --------------------------------------------------------------------------------------


def _parameters():
    text = os.environ.get("MAPFLEET_INPUT")
    if text is None:
        if "MAPFLEET_INDEX" in os.environ:
            _say("the parameters are not in the environment: they are longer than 64 KiB")
        return {}
    value = json.loads(text)
    return value if isinstance(value, dict) else {}


def _as_dict(config):
    """Of what scripts give as their configuration: a mapping, a namespace, nothing."""
    if config is None:
        return {}
    if isinstance(config, collections.abc.Mapping):
        return dict(config)
    if hasattr(config, "keys") and hasattr(config, "__getitem__"):
        return {key: config[key] for key in config.keys()}
    if isinstance(config, (str, os.PathLike)):
        _say("a configuration in a file is not read here")
        return {}
    if hasattr(config, "__dict__"):
        return dict(vars(config))
    return dict(config)


def _merge(base, swept):
    """The script's own values, over which those of the sweep win, also within records."""
    merged = dict(base)
    for key, value in swept.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


class _Fields(collections.abc.MutableMapping):
    """Values by name, which are items and attributes."""

    _called = ""  # in messages

    def __init__(self, values):
        object.__setattr__(self, "_values", values)

    def __getitem__(self, key):
        return self._values[key]

    def __delitem__(self, key):
        del self._values[key]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def __getattr__(self, name):
        try:
            return object.__getattribute__(self, "_values")[name]
        except KeyError:
            raise AttributeError(f"{self._called} has no {name}") from None

    def __setattr__(self, name, value):
        self[name] = value


class Config(_Fields):
    """The configuration of a run. What the sweep has set stays as it is."""

    _called = "the configuration"

    def __init__(self):
        object.__setattr__(self, "_swept", _parameters())
        super().__init__(dict(self._swept))

    def _set(self, values):
        self._values.update(_merge(values, {k: v for k, v in self._swept.items() if k in values}))

    def __setitem__(self, key, value):
        self._set({key: value})

    def __delattr__(self, name):
        del self[name]

    def __repr__(self):
        return repr(self._values)

    def __reduce__(self):
        return (dict, (dict(self._values),))

    def update(self, values=None, allow_val_change=None, **more):
        self._set({**_as_dict(values), **more})

    def setdefaults(self, values):
        self._set({k: v for k, v in _as_dict(values).items() if k not in self._values})
        return dict(self._values)

    def as_dict(self):
        return dict(self._values)

    def persist(self):
        pass


# ---- Metrics -----------------------------------------------------------------------------------------


def _number(value):
    """None where it is none."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def _flatten(record, prefix=""):
    flat = {}
    for key, value in record.items():
        name = prefix + str(key)
        if isinstance(value, collections.abc.Mapping):
            flat.update(_flatten(value, name + "."))
        else:
            number = _number(value)
            if number is not None:
                flat[name] = number
    return flat


def _write(numbers):
    """One line for all that JSON can say, and one for each other number. Each is one write, so that
    lines of several processes do not mix."""
    path = os.environ.get("MAPFLEET_METRICS")
    if path is None or not numbers:
        return
    finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
    lines = [json.dumps(finite)] if finite else []
    lines += [f"{name}={number}" for name, number in numbers.items() if name not in finite]
    with open(path, "ab", buffering=0) as file:
        file.write(("\n".join(lines) + "\n").encode())


class Summary(_Fields):
    """What a run comes to. What is set by hand is a report of its own."""

    _called = "the summary"

    def __init__(self):
        super().__init__({})

    def _note(self, numbers):
        self._values.update(numbers)

    def __setitem__(self, key, value):
        self._values[key] = value
        _write(_flatten({key: value}))

    def update(self, values=None, **more):
        values = {**(values or {}), **more}
        self._values.update(values)
        _write(_flatten(values))


class Run:
    def __init__(self, config, arguments):
        index = os.environ.get("MAPFLEET_INDEX", "0")
        self.config = config
        self.summary = Summary()
        self.step = 0
        self.id = str(arguments.get("id") or f"trial-{index}")
        self.name = arguments.get("name") or f"trial-{index}"
        self.project = arguments.get("project") or "mapfleet"
        self.entity = arguments.get("entity") or ""
        self.group = arguments.get("group") or ""
        self.job_type = arguments.get("job_type") or ""
        self.notes = arguments.get("notes")
        self.tags = tuple(arguments.get("tags") or ())
        self.sweep_id = os.path.basename(os.environ.get("MAPFLEET_RUN_DIR", "")) or None
        self.dir = os.environ.get("MAPFLEET_WORKDIR") or os.getcwd()
        self.url = self.path = ""
        self.disabled = self.offline = False
        self.resumed = False
        self._pending = {}
        self._rules = []
        self._extremes = {}
        self._is_finished = False

    def log(self, data=None, step=None, commit=None, sync=None, **more):
        numbers = _flatten(data or {})
        self._pending.update(numbers)
        if step is not None:
            self.step = step
        if commit is False:
            return
        numbers, self._pending = self._pending, {}
        self.step = self.step if step is not None else self.step + 1
        self.summary._note(numbers)
        for name, number in numbers.items():
            self._remember(name, number)
        _write(numbers)

    def _remember(self, name, number):
        if math.isfinite(number):
            low, high = self._extremes.get(name, (number, number))
            self._extremes[name] = (min(low, number), max(high, number))

    def define_metric(self, name, step_metric=None, summary=None, goal=None, **more):
        kinds = [kind.strip() for kind in (summary or "").split(",")]
        if "best" in kinds:
            kinds.append("max" if goal == "maximize" else "min")
        for kind in kinds:
            if kind in ("min", "max"):
                self._rules.append((str(name), kind))
        return _Nothing()

    def _summarise(self):
        """The extremes that were asked for, as one more report."""
        found = {}
        for name, (low, high) in self._extremes.items():
            for pattern, kind in self._rules:
                if fnmatch.fnmatchcase(name, pattern):
                    found[name] = low if kind == "min" else high
        self.summary._note(found)
        _write(found)

    def finish(self, exit_code=None, quiet=None):
        if not self._is_finished:
            self._is_finished = True
            if self._pending:
                self.log({})
            self._summarise()

    join = finish

    def use_artifact(self, *args, **kwargs):
        _refuse("use_artifact")

    def use_model(self, *args, **kwargs):
        _refuse("use_model")

    def restore(self, *args, **kwargs):
        _refuse("restore")

    def project_name(self):
        return self.project

    def get_url(self):
        return self.url

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.finish()
        return False

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def accept(*args, **kwargs):
            _say(f"run.{name} has no effect here")
            return _Nothing()

        return accept


# ---- The functions of the module ---------------------------------------------------------------------

config = Config()
summary = Summary()


def init(config=None, **arguments):
    """Begin the run. One that was begun before is ended."""
    global run, summary
    if run is not None:
        run.finish()
    values = globals()["config"]
    values._set(_as_dict(config))
    run = Run(values, arguments)
    summary = run.summary
    return run


def log(data=None, step=None, commit=None, sync=None, **more):
    if run is None:
        raise RuntimeError("wandb.log before wandb.init")
    run.log(data, step=step, commit=commit, sync=sync, **more)


def define_metric(name, *args, **kwargs):
    if run is None:
        raise RuntimeError("wandb.define_metric before wandb.init")
    return run.define_metric(name, *args, **kwargs)


def finish(exit_code=None, quiet=None):
    if run is not None:
        run.finish()


join = finish


def sweep(sweep=None, **more):
    return sweep


def agent(sweep_id=None, function=None, **more):
    """A trial is one call; which, mapfleet has decided."""
    if function is not None:
        function()


def login(*args, **kwargs):
    _say("login has no effect here")
    return True


def ensure_configured():
    pass


def use_artifact(*args, **kwargs):
    _refuse("use_artifact")


def restore(*args, **kwargs):
    _refuse("restore")


class Api:
    def __init__(self, *args, **kwargs):
        _refuse("Api")


class _Errors(_Submodule):
    class Error(Exception):
        pass

    class CommError(Error):
        pass

    class UsageError(Error):
        pass


errors = _Errors(__name__ + ".errors")
sys.modules[errors.__name__] = errors
Error, CommError, UsageError = _Errors.Error, _Errors.CommError, _Errors.UsageError


class _Util(_Submodule):
    @staticmethod
    def generate_id(length=8):
        return os.urandom(length).hex()[:length]


util = _Util(__name__ + ".util")
sys.modules[util.__name__] = util


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    value = _inert(name)
    globals()[name] = value
    return value


@atexit.register
def _at_exit():
    finish()
