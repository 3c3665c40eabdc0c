"""The page itself, with Gradio: nothing is fetched from elsewhere, and nothing written outside a temporary folder."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

from batikkit.assets.wording import TEXTS
from batikkit.demo.answers import Responder
from batikkit.errors import InputError, MissingExtraError
from batikkit.motif_names import display_name

MAX_UPLOAD = "20mb"
LANGUAGES = {"English": "en", "Bahasa Indonesia": "id"}


def serve(responder: Responder, *, host: str, port: int) -> None:
    """Serves until Ctrl-C; the temporary folder of uploads goes with it.

    Raises:
        MissingExtraError: Gradio is not installed.
        InputError: the port is taken.
    """
    # Before the import, which reads them: no telemetry, no update check.
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "GRADIO_RUN_HISTORY": "False"}
    with tempfile.TemporaryDirectory(prefix="batikkit-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            import gradio
        except ImportError as error:
            raise MissingExtraError("gradio", "demo") from error
        # Fonts of the system: Gradio's default theme asks Google for its own.
        theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])
        try:
            build_page(gradio, responder).launch(
                server_name=host, server_port=port, share=False, quiet=True, max_file_size=MAX_UPLOAD, theme=theme,
                footer_links=[], enable_monitoring=False, pwa=False, prevent_thread_lock=True, ssr_mode=False,
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"port {port} on {host} is not free: choose another with --port") from error
        print(f"http://{host}:{port}", flush=True)
        threading.Event().wait()


def build_page(gradio: Any, responder: Responder) -> Any:
    """The Gradio Blocks: a photograph in, the answer and all scores out."""

    def answer(path: str | None, language: str) -> tuple[str, dict[str, float] | None]:
        code = LANGUAGES.get(language, "en")
        if not path:
            return TEXTS[code]["nothing"], None
        try:
            found = responder.answer(Path(path))
        except InputError:
            return TEXTS[code]["unreadable"], None
        return found.sentence(code), {display_name(label, code): score for label, score in found.scores}

    with gradio.Blocks(title="batikkit", analytics_enabled=False, delete_cache=(600, 600)) as page:
        gradio.Markdown("# batikkit\nWhich motif is this? · Motif apakah ini?")
        language = gradio.Radio(list(LANGUAGES), value="English", show_label=False)
        with gradio.Row():
            # As a file path and unconverted: the one decoder of batikkit reads it, EXIF and all.
            photograph = gradio.Image(
                type="filepath", image_mode=None, sources=["upload", "webcam"], label="Photo · Foto", height=360
            )
            with gradio.Column():
                verdict = gradio.Markdown(TEXTS["en"]["nothing"], elem_id="verdict")
                # Without its heading, which would name a motif in large letters where the answer is "not sure".
                scores = gradio.Label(show_label=False, show_heading=False, num_top_classes=5)
        for event in (photograph.change, language.change):
            event(answer, [photograph, language], [verdict, scores], api_name=False)
    return page
