"""`batikkit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder written by 'batikkit assets'.")] = Path(
        "android_demo_assets"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 7860,
    runtime: Annotated[str | None, typer.Option(help="A runtime.", show_default="the first that works")] = None,
) -> None:
    """Try a folder of assets in the browser: a photograph or the camera in, motifs and scores out. Works offline.

    Example: batikkit demo android_demo_assets
    """
    from batikkit.console import note
    from batikkit.demo.answers import Responder
    from batikkit.demo.page import serve

    responder = Responder(folder, runtime=runtime)
    note("stop with Ctrl-C")
    try:
        serve(responder, host=host, port=port)
    except KeyboardInterrupt:
        note("stopped; uploads are removed")
