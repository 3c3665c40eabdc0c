"""The versions that the folder's steps and code name, once, with the day on which they were looked up.

Sources: developers.google.com/edge/litert/android, a table of versions; the LiteRT 2.3 archives (minimum SDK 24, where
the table says 23); MediaPipe and androidx as public projects build with them now; pub.dev; the npm registry.
"""

from __future__ import annotations

CHECKED = "2026-11-26"

LITERT = "com.google.ai.edge.litert:litert:2.3.2"
TASKS_VISION = "com.google.mediapipe:tasks-vision:1.0.0"
EXIF_INTERFACE = "androidx.exifinterface:exifinterface:1.4.2"
MIN_SDK = 24
"""Of both; Android 7."""

PAGE_BYTES = 16384
"""What Google Play asks 64-bit libraries to be aligned to, of apps for Android 15 and later."""

FIRST_ALIGNED = {
    "com.google.mediapipe:tasks-vision": (0, 10, 29),
    "com.google.ai.edge.litert:litert": (1, 4, 0),
    "org.tensorflow:tensorflow-lite": None,
}
"""First versions whose 64-bit libraries are aligned to 16 KB; None where there is no such version."""

FLUTTER = "flutter_litert:^4.1.0"
TFLITE_SWIFT = "~> 2.17"
IOS = "15.0"
