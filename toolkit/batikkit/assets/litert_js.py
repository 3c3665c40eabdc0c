"""LiteRT.js, which runs the model in a browser: not part of batikkit's wheel, taken from its npm packages when needed.

The wheel stays small without its 19 MB, and the version is pinned twice: by number for the registry, by SHA-256 of
every file for whatever the files come from. Apache License 2.0, google-ai-edge/LiteRT.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from batikkit import atomic
from batikkit.errors import InputError

VERSION = "2.5.3"
FILES = {
    "core/dist/index.js": "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3",
    "core/wasm/litert_wasm_internal.js": "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb",
    "core/wasm/litert_wasm_internal.wasm": "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614",
    "core/wasm/litert_wasm_compat_internal.js": "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5",
    "core/wasm/litert_wasm_compat_internal.wasm": "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c",
    "wasm-utils/dist/index.js": "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2",
}
"""Of the packages under `@litertjs/`. `compat` is for browsers without relaxed SIMD, such as Safari's."""

REGISTRY = "https://registry.npmjs.org"
MAX_PACKAGE_BYTES = 64_000_000
_TIMEOUT_S = 60.0
Files = Mapping[str, bytes]


def obtain(source: Path | None = None, *, report: Callable[[str], None] = lambda _line: None) -> Files:
    """The files of LiteRT.js by their names in `FILES`, each proven by its hash.

    Args:
        source: The folder `@litertjs` of some `node_modules`; else the user's cache, else the npm registry
            (`NPM_CONFIG_REGISTRY`, or npm's own).
        report: Called with one line before something is downloaded.

    Raises:
        InputError: a file is missing or another one, or the registry cannot be reached.
    """
    if source is not None:
        return _from_folder(source)
    kept = cache_folder()
    try:
        return _from_folder(kept)
    except InputError:
        pass
    report(f"fetching LiteRT.js {VERSION} from {_registry()} once, into {kept}")
    files: dict[str, bytes] = {}
    for package in sorted({name.split("/")[0] for name in FILES}):
        files |= _unpacked(package, _downloaded(package))
    for name, content in files.items():
        atomic.write_bytes(kept / name, content)
    return files


def cache_folder() -> Path:
    """Where the files are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "batikkit" / f"litertjs-{VERSION}"


def _registry() -> str:
    return (os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY).rstrip("/")


def _from_folder(folder: Path) -> Files:
    files = {}
    for name in FILES:
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise InputError(f"no {name} under {folder}: name the folder @litertjs of LiteRT.js {VERSION}") from error
    return _proven(files, str(folder))


def _downloaded(package: str) -> bytes:
    address = f"{_registry()}/@litertjs/{package}/-/{package}-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read(MAX_PACKAGE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(
            f"cannot fetch {address} ({reason}): connect once, or name the folder @litertjs of a node_modules with "
            "--litert-js DIR, or leave the page out with --no-web"
        ) from error
    if len(content) > MAX_PACKAGE_BYTES:
        raise InputError(f"{address} is larger than {MAX_PACKAGE_BYTES} bytes: not the package that batikkit knows")
    return content


def _unpacked(package: str, content: bytes) -> dict[str, bytes]:
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for name in FILES:
                if name.startswith(f"{package}/"):
                    member = archive.extractfile("package/" + name.removeprefix(f"{package}/"))
                    files[name] = member.read() if member else b""
    except (tarfile.TarError, OSError, EOFError, KeyError) as error:
        raise InputError(f"the package of {package} from {_registry()} is damaged ({error}): try again") from error
    return dict(_proven(files, _registry()))


def _proven(files: Files, origin: str) -> Files:
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != FILES[name]:
            raise InputError(f"{name} from {origin} is not that of LiteRT.js {VERSION} (SHA-256 differs): get it anew")
    return files
