"""Pictures that people upload, and pictures made small enough to be sent with a page.

Promises: nothing but the pixels of the first frame is kept (no place, camera or profile that a file carries),
what is kept is an RGB PNG of at most 4096 pixels a side, and whatever is no such picture is refused with one
clear sentence.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import struct
import uuid
import zlib
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import Image, ImageOps, UnidentifiedImageError

LONGEST_SIDE = 4096
MOST_PIXELS = 80_000_000
MOST_BYTES = 20_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
"""Formats that Pillow reads by itself; those that start another program (EPS) stay outside."""

_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


class PictureRefused(ValueError):
    """The file cannot be used as a picture; the message says why and what to do."""


def accept_picture(path: str | Path, home: Path) -> Path:
    """Checks an uploaded file and keeps its picture as `home/uploads/<sha256>.png`.

    The first frame of an animation is taken, the camera's orientation applied, every colour mode made RGB
    (what is transparent becomes white), what is over 4096 pixels a side scaled down. Raises `PictureRefused`.
    """
    picture = _as_rgb(_decoded(Path(path)))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return _keep(buffer.getvalue(), home / "uploads")


@lru_cache(maxsize=512)
def preview(path: Path, side: int) -> str:
    """A picture of at most `side` pixels as a `data:` address.

    Raises `PictureRefused` when the file is gone or broken.
    """
    try:
        with Image.open(path, formats=FORMATS) as opened:
            picture = opened.convert("RGB")
    except _BROKEN as fault:
        raise PictureRefused(f"The picture {path.name} cannot be read; it may have been deleted.") from fault
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _decoded(path: Path) -> Image.Image:
    """The first frame with its orientation applied, all of its pixels read."""
    if path.stat().st_size > MOST_BYTES:
        raise PictureRefused(f"The file is larger than {MOST_BYTES // 1_000_000} MB; choose a smaller picture.")
    try:
        with Image.open(path, formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise PictureRefused(_too_many_pixels())
            opened.verify()
        with Image.open(path, formats=FORMATS) as opened:
            opened.seek(0)
            opened.load()
            return ImageOps.exif_transpose(opened.copy())
    except PictureRefused:
        raise
    except _BOMB as fault:
        raise PictureRefused(_too_many_pixels()) from fault
    except UnidentifiedImageError as fault:
        raise PictureRefused("This file is not a picture; choose a PNG, JPEG, WebP, GIF, BMP or TIFF file.") from fault
    except _BROKEN as fault:
        raise PictureRefused("The picture is damaged or cut off; save it again and upload that.") from fault


def _too_many_pixels() -> str:
    return f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels; scale it down first."


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Any colour mode as RGB without metadata; transparency over white, 16 and 32 bits scaled to 8."""
    if picture.mode.startswith(("I", "F")):
        picture = _eight_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    plain = picture.convert("RGB")
    plain.info = {}
    return plain


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Whole numbers are read as 16 bits where they do not fit 8; real numbers are stretched to what is
    there.
    """
    wide = picture.convert("F")
    low, high = cast("tuple[float, float]", wide.getextrema())
    if not picture.mode.startswith("F"):
        low, high = 0.0, 65535.0 if picture.mode != "I" or high > 255 else 255.0
    scale = 255.0 / (high - low) if high > low else 1.0
    shift = -low * scale
    return wide.point(lambda value: value * scale + shift).convert("L")


def _keep(png: bytes, folder: Path) -> Path:
    """Written aside and renamed, so that a name always stands for a whole file."""
    kept = folder / f"{hashlib.sha256(png).hexdigest()}.png"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f".{uuid.uuid4().hex}"
        aside.write_bytes(png)
        os.replace(aside, kept)
    return kept
