"""Whether an older folder of assets may be replaced: only what its manifest lists goes; anything else stays."""

from __future__ import annotations

from pathlib import Path

from batikkit.assets.manifest import ASSETS_MANIFEST, AssetsManifest, read_assets_manifest
from batikkit.digest import file_sha256
from batikkit.errors import InputError

_NAMED = 5


def check_replaceable(folder: Path) -> tuple[str, ...]:
    """Refuses a folder that holds anything but the assets that its manifest lists.

    Returns:
        The listed files that somebody has changed since: they go all the same, and whoever replaces them says so.

    Raises:
        InputError: not a folder of assets, or it holds something else.
    """
    manifest = read_assets_manifest(folder)
    ours = _listed(manifest)
    others = sorted(_names(folder) - set(ours) - {ASSETS_MANIFEST})
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        raise InputError(
            f"{folder} holds what 'batikkit assets' did not write: {', '.join(others[:_NAMED])}{more}; move it away, "
            "or choose another folder with --out"
        )
    present = {name: folder / name for name in ours if (folder / name).is_file()}
    return tuple(name for name, path in sorted(present.items()) if file_sha256(path) != ours[name])


def _listed(manifest: AssetsManifest) -> dict[str, str]:
    return {**manifest.files, **{v.file: v.manifest.sha256 for v in manifest.variants}}


def _names(folder: Path) -> set[str]:
    """Everything in a folder that is no folder of files itself: files, links, and folders that hold nothing."""
    names = set()
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir() or not any(path.iterdir()):
            names.add(path.relative_to(folder).as_posix())
    return names
