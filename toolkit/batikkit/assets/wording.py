"""What pages say of an answer, in English and Indonesian: the app in `web/` and `batikkit demo` say the same."""

from __future__ import annotations

TEXTS = {
    "en": {
        "named": "**{motif}**, {confidence:.0%} sure",
        "unsure": "**Not batik, or not sure.** The nearest would be {motif}, {confidence:.0%}.",
        "other": "**None of these motifs**, {confidence:.0%} sure.",
        "latency": "{model} answered in {latency_ms:.1f} ms on this machine.",
        "unreadable": "**Not a photograph that can be read.** Choose a JPEG or PNG.",
        "nothing": "Choose a photograph or use the camera.",
    },
    "id": {
        "named": "**{motif}**, yakin {confidence:.0%}",
        "unsure": "**Bukan batik, atau tidak yakin.** Yang terdekat: {motif}, {confidence:.0%}.",
        "other": "**Bukan salah satu motif ini**, yakin {confidence:.0%}.",
        "latency": "{model} menjawab dalam {latency_ms:.1f} ms di mesin ini.",
        "unreadable": "**Bukan foto yang dapat dibaca.** Pilih JPEG atau PNG.",
        "nothing": "Pilih foto atau gunakan kamera.",
    },
}

PAGE = {
    "en": {
        "title": "Batik motifs", "camera": "Camera", "stop": "Stop", "photo": "Photograph",
        "loading": "Loading the model …",
        "no_camera": "The camera cannot be used: {reason}.", "failed": "This browser cannot run the model: {reason}.",
        "private": "Everything happens on this device: no photograph leaves it.",
        "drawn": "Trained on drawn motifs, not on photographs of cloth: for trying only.",
    },
    "id": {
        "title": "Motif batik", "camera": "Kamera", "stop": "Berhenti", "photo": "Foto", "loading": "Memuat model …",
        "no_camera": "Kamera tidak dapat digunakan: {reason}.",
        "failed": "Peramban ini tidak dapat menjalankan model: {reason}.",
        "private": "Semuanya terjadi di perangkat ini: tidak ada foto yang dikirim.",
        "drawn": "Dilatih dengan motif gambar, bukan foto kain: hanya untuk mencoba.",
    },
}  # fmt: skip
"""The labels of the app's own page."""
