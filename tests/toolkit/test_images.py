"""The one decode: every pixel layout a user's folder may hold, and every way a file can be broken."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batikkit.errors import InputError
from batikkit.images import MAX_PIXELS, load_pixels, load_rgb, open_image, to_rgb

SIZE = (60, 40)


def gradient(size: tuple[int, int] = SIZE) -> Image.Image:
    """Red grows to the right, green downwards, blue is 40: tells every turn and swap apart."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, np.full_like(x, 40)], axis=-1).astype(np.uint8))


def difference(image: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(image, np.float64) - np.asarray(other, np.float64)).mean())


@pytest.mark.parametrize(
    ("suffix", "options", "tolerance"),
    [
        (".png", {}, 0),
        (".bmp", {}, 0),
        (".tiff", {}, 0),
        (".webp", {"lossless": True}, 0),
        (".jpg", {"quality": 95}, 2),
        (".gif", {}, 12),
    ],
)
def test_formats_give_the_same_picture_whatever_the_extension_says(
    tmp_path: Path, suffix: str, options: dict[str, object], tolerance: float
) -> None:
    honest = tmp_path / f"a{suffix}"
    gradient().save(honest, **options)
    lying = tmp_path / ("b.jpg" if suffix != ".jpg" else "b.png")
    lying.write_bytes(honest.read_bytes())
    for path in (honest, lying):
        loaded = load_rgb(path)
        assert loaded.mode == "RGB"
        assert difference(loaded, gradient()) <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"])
def test_opaque_modes_become_rgb(mode: str) -> None:
    wanted = gradient().convert("L").convert("RGB") if mode in ("1", "L") else gradient()
    loaded = to_rgb(gradient().quantize() if mode == "P" else gradient().convert(mode))
    assert loaded.mode == "RGB"
    # One bit keeps only the mean; an adaptive palette and LAB keep the picture roughly.
    assert abs(np.asarray(loaded, float).mean() - np.asarray(wanted, float).mean()) < 6
    if mode not in ("1",):
        assert difference(loaded, wanted) < 14


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    half = gradient().convert("RGBA")
    alpha = np.full((SIZE[1], SIZE[0]), 255, np.uint8)
    alpha[:, :30] = 0
    half.putalpha(Image.fromarray(alpha))
    pixels = np.asarray(to_rgb(half.convert(mode)))
    assert (pixels[:, :30] == 255).all()
    assert (pixels[:, 30:] < 255).any()


def test_a_palette_or_rgb_png_with_a_transparent_colour_is_laid_over_white(tmp_path: Path) -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((0, 0), 1)
    palette.save(tmp_path / "p.png", transparency=0)
    assert np.asarray(load_rgb(tmp_path / "p.png"))[4, 4].tolist() == [255, 255, 255]
    assert np.asarray(load_rgb(tmp_path / "p.png"))[0, 0].tolist() == [0, 0, 255]
    Image.new("RGB", (8, 8), (10, 20, 30)).save(tmp_path / "rgb.png", transparency=(10, 20, 30))
    assert np.asarray(load_rgb(tmp_path / "rgb.png"))[4, 4].tolist() == [255, 255, 255]


def test_sixteen_bit_and_float_greys_keep_their_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    Image.fromarray(ramp.astype(np.int32)).save(tmp_path / "b.tiff")
    Image.fromarray(np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(8, axis=0)).save(tmp_path / "c.tiff")
    for name in ("a.png", "b.tiff", "c.tiff"):
        pixels = np.asarray(load_rgb(tmp_path / name))
        assert pixels.shape == (8, 256, 3)
        assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1, name
        assert (pixels[..., 0] == pixels[..., 2]).all()


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    red, blue = Image.new("RGB", SIZE, (250, 0, 0)), Image.new("RGB", SIZE, (0, 0, 250))
    red.save(path, save_all=True, append_images=[blue, blue])
    with open_image(path) as image:
        assert image.n_frames > 1  # type: ignore[attr-defined]
    pixel = np.asarray(load_rgb(path))[20, 30]
    assert pixel[0] > 240
    assert pixel[2] < 15


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("at_least", [None, 16])
def test_every_exif_orientation_comes_out_upright(tmp_path: Path, orientation: int, at_least: int | None) -> None:
    upright = gradient((240, 160))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", quality=95, exif=exif)
    loaded = load_rgb(tmp_path / "a.jpg", at_least=at_least)
    assert loaded.width > loaded.height
    assert difference(loaded.resize((24, 16)), upright.resize((24, 16))) < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning")
def test_a_damaged_exif_block_does_not_stop_the_picture(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    assert load_rgb(tmp_path / "a.jpg").size == SIZE


def test_a_reduced_decode_changes_the_resized_picture_little(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    big = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize((1600, 1200))
    big.save(tmp_path / "a.jpg", quality=92)
    reduced = load_pixels(tmp_path / "a.jpg", 96)
    full = np.asarray(load_rgb(tmp_path / "a.jpg").resize((96, 96), Image.Resampling.BILINEAR))
    assert load_rgb(tmp_path / "a.jpg", at_least=192).width < 1600
    assert np.abs(reduced.astype(int) - full).mean() < 2


def test_the_whole_picture_is_stretched(tmp_path: Path) -> None:
    gradient((300, 90)).save(tmp_path / "a.png")
    pixels = load_pixels(tmp_path / "a.png", 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels[16, 0, 0] < 10
    assert pixels[16, -1, 0] > 245
    assert pixels[-1, 16, 1] > 245


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def truncated_jpeg() -> bytes:
    stream = io.BytesIO()
    gradient((400, 300)).save(stream, "JPEG")
    return stream.getvalue()[:1500]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable image"),
        (b"not an image at all", "not a readable image"),
        (b"\x89PNG\r\n\x1a\n", "."),
        (b"%PDF-1.4\n%", "not a readable image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
        (png_claiming(100, 100), "damaged image"),
        (truncated_jpeg(), "damaged image"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_rgb(path)
    assert "broken.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [9_500, 20_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    assert side * side > MAX_PIXELS
    path = tmp_path / "bomb.png"
    path.write_bytes(png_claiming(side, side))
    with pytest.raises(InputError, match="too large"):
        load_rgb(path)


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "no.jpg", tmp_path):
        with pytest.raises(InputError, match="cannot open"):
            load_rgb(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    """In a process of its own, since what waits for a pipe waits for ever."""
    for place in (tmp_path / "pipe.jpg", tmp_path / "photos" / "kawung" / "pipe", tmp_path / "photos" / "pipe.png"):
        place.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(place)
    (tmp_path / "link.png").symlink_to("pipe.jpg")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from batikkit.assets.pictures import read_pictures\n"
        "from batikkit.images import load_pixels\n"
        "for image, found in read_pictures([*map(Path, sys.argv[1:])], lambda file: load_pixels(file, 8)):\n"
        "    print(found)\n"
    )
    places = ("pipe.jpg", "link.png", "photos", "photos/kawung/pipe")
    done = subprocess.run(
        [sys.executable, "-c", code, *places], cwd=tmp_path, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("a pipe or a device") == len(done.stdout.splitlines()) == 4


def test_all_14_messy_files_load(messy: Path) -> None:
    files = sorted(path for path in messy.rglob("*") if path.suffix in (".jpg", ".png", ".gif", ".bmp"))
    assert len(files) == 14
    for path in files:
        pixels = load_pixels(path, 64)
        assert pixels.shape == (64, 64, 3)
        assert pixels.std() > 5, f"{path} came out as one colour"


def test_the_cmyk_photograph_is_not_inverted(messy: Path) -> None:
    """An Adobe CMYK JPEG stores ink inverted; read wrongly, light cloth comes out dark and in the wrong hues."""
    path = messy / "parang" / "BatikParangRusakTraining_29.jpg"
    with Image.open(path) as image:
        assert image.mode == "CMYK"
        wanted = image.convert("RGB")
    assert difference(load_rgb(path), wanted) == 0
