"""The generated Kotlin under a real Kotlin compiler, and its instrumented test on a JVM with the real models.

What Android brings is stood in for by `tests/kotlin/stubs`: the signatures of Android, androidx and LiteRT
(CompiledModel and InterpreterApi), PNG decoding by the JDK, and an engine that hands the very bytes it is given to
LiteRT for Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from batikkit.assets.golden import read_expected
from batikkit.assets.kotlin import CLASSIFIERS, kotlin_sources
from batikkit.assets.manifest import read_assets_manifest
from batikkit.cli import main
from with_other import Asked

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "android_demo_assets"
KOTLIN = ROOT / "tests" / "kotlin"
COMPILER = KOTLIN / ".compiler"
# These virtual machines live for seconds: what optimises for minutes costs more than it gives.
JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Of Debian's junit4 and libandroid-json-java.
LIBRARIES = [Path("/usr/share/java") / name for name in ("junit4.jar", "hamcrest.jar", "com.android.json.jar")]


@dataclass(frozen=True)
class Tools:
    """A Kotlin compiler, and what is compiled against: JUnit, org.json and the stand-ins."""

    compiler: Path
    classpath: tuple[Path, ...]

    def compile(self, sources: Path) -> Path:
        """Every warning is an error."""
        out = sources / "out"
        command = [
            *JAVA,
            "-cp",
            f"{self.compiler}/*",
            "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
            "-Werror",
            "-Wextra",
        ]
        command += ["-no-stdlib", "-no-reflect", "-Xjdk-release=8", "-cp", _joined(self.classpath), "-d", out, sources]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return out

    def test(self, classes: Path, **facts: object) -> subprocess.CompletedProcess[str]:
        """Runs the instrumented tests, with `android_demo_assets/` as the app's assets."""
        tests = (f"com.example.batik.{name}Test" for name in CLASSIFIERS)
        return self.run(classes, "org.junit.runner.JUnitCore", *tests, assets=FOLDER, **facts)

    def run(self, classes: Path, main: str, *words: object, **facts: object) -> subprocess.CompletedProcess[str]:
        """Runs a program, with LiteRT for Python in the place of the native library."""
        facts |= {"python": sys.executable, "interpreter": KOTLIN / "interpreter.py"}
        command = [*JAVA, *(f"-D{name.replace('_', '-')}={value}" for name, value in facts.items()), "-cp"]
        command += [_joined((*self.classpath, classes)), main, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)


def _joined(paths: tuple[Path, ...]) -> str:
    return os.pathsep.join(map(str, paths))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    jars = COMPILER / "run_kotlin_kernel" / "jars"
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler: install default-jdk-headless")
    if not all(jar.exists() for jar in LIBRARIES):
        pytest.skip("no JUnit or org.json under /usr/share/java: install junit4 and libandroid-json-java")
    if not jars.is_dir():
        pytest.skip("no Kotlin compiler under tests/kotlin: make tests/kotlin/.compiler/.installed")
    stubs = tmp_path_factory.mktemp("stubs")
    annotations, standard = jars / "annotations-13.0.jar", next(jars.glob("kotlin-stdlib-[0-9]*.jar"))
    classpath = (standard, *LIBRARIES, stubs)
    command = ["javac", "-Xlint:all", "-Werror", "-d", stubs, "-cp", _joined((annotations, *classpath))]
    command += sorted((KOTLIN / "stubs").rglob("*.java"))
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return Tools(jars, classpath)


def _generated(folder: Path, variant: str, *, assets: Path = FOLDER) -> Path:
    manifest, count = read_assets_manifest(assets), len(read_expected(assets / "golden" / "expected.json"))
    for name, source in kotlin_sources(manifest, manifest.variant(variant), golden_count=count).items():
        (folder / name).write_text(source, encoding="utf-8")
    return folder


@pytest.mark.parametrize("variant", ["int8", "float16"])
def test_the_generated_code_compiles_and_reproduces_the_golden_scores(
    tools: Tools, tmp_path: Path, variant: str
) -> None:
    classes = tools.compile(_generated(tmp_path, variant))
    done = tools.test(classes)
    assert done.returncode == 0, done.stdout
    assert "OK (4 tests)" in done.stdout
    # An accelerator that is right only the first time, which an order that is not shuffled or asked once would pass.
    done = tools.test(classes, right_runs=10)
    assert done.returncode == 1
    assert "Failures: 2" in done.stdout
    assert done.stdout.count("scores.json: [") >= 2


def test_a_colour_order_gone_wrong_fails_the_test_and_is_named_from_what_it_prints(
    tools: Tools, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classifier = _generated(tmp_path, "float16") / "BatikMotifs.kt"
    right = classifier.read_text(encoding="utf-8")
    assert right.count("(16 - 8 * c)") == 1
    classifier.write_text(right.replace("(16 - 8 * c)", "(8 * c)"), encoding="utf-8")
    done = tools.test(tools.compile(tmp_path))
    assert done.returncode == 1
    printed = re.search(r"scores\.json: (\[.*?\]) expected", done.stdout)
    assert printed, done.stdout
    scores = tmp_path / "scores.json"
    scores.write_text(printed[1])
    assert len(json.loads(printed[1])) >= 5
    with pytest.raises(SystemExit):
        main(["verify", str(FOLDER), "--explain", str(scores)])
    assert "BGR" in capsys.readouterr().out


def test_other_is_told_from_not_sure_as_python_does(tools: Tools, asked_with_other: Asked, tmp_path: Path) -> None:
    assets, answers = asked_with_other.folder, asked_with_other.answers
    sources = _generated(tmp_path, "float32", assets=assets)
    shutil.copy(KOTLIN / "Say.kt", sources)
    classes = tools.compile(sources)
    done = tools.run(classes, "com.example.batik.SayKt", assets, *answers)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["who"], Path(one["picture"])) for one in said] == [
        (who, path) for who in CLASSIFIERS for path in answers
    ]
    for one in said:
        answer = answers[Path(one["picture"])]
        assert (one["label"], one["other"]) == (answer.label, answer.other), one
        assert one["confidence"] == pytest.approx(answer.probability, abs=asked_with_other.tolerance), one
