"""Every odd file that somebody may upload is either a plain RGB PNG afterwards, or one clear sentence."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from ui.asking import PictureRefused, accept_picture
from ui.pictures import preview


def kept(path: Path, home: Path) -> Image.Image:
    """The picture as it was kept, after checking its place, its name and its format."""
    accepted = accept_picture(path, home)
    assert accepted.parent == home / "uploads"
    assert accepted.stem == hashlib.sha256(accepted.read_bytes()).hexdigest()
    with Image.open(accepted) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return picture.copy()


def refused(path: Path, home: Path) -> str:
    """The sentence with which the file was refused; nothing may have been kept."""
    with pytest.raises(PictureRefused) as caught:
        accept_picture(path, home)
    assert not (home / "uploads").exists()
    return str(caught.value)


def test_an_ordinary_picture_keeps_its_pixels(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), (10, 20, 30)).save(tmp_path / "a.png")
    picture = kept(tmp_path / "a.png", tmp_path)
    assert picture.size == (3, 2)
    assert picture.getpixel((2, 1)) == (10, 20, 30)


def test_the_same_picture_is_kept_once(tmp_path: Path) -> None:
    Image.new("RGB", (3, 2), "red").save(tmp_path / "a.png")
    Image.new("RGB", (3, 2), "red").save(tmp_path / "b.bmp")
    assert accept_picture(tmp_path / "a.png", tmp_path) == accept_picture(tmp_path / "b.bmp", tmp_path)
    assert len(list((tmp_path / "uploads").iterdir())) == 1


def test_one_pixel_is_enough(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "blue").save(tmp_path / "a.png")
    assert kept(tmp_path / "a.png", tmp_path).size == (1, 1)


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second], duration=50)
    assert kept(tmp_path / "a.gif", tmp_path).getpixel((0, 0)) == (255, 0, 0)


def test_a_palette_becomes_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (0, 128, 0)).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    assert kept(tmp_path / "a.png", tmp_path).getpixel((0, 0)) == (0, 128, 0)


def test_printing_colours_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert kept(tmp_path / "a.jpg", tmp_path).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("LA", (0, 0), (255, 255, 255)),
        ("LA", (40, 255), (40, 40, 40)),
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("L", 77, (77, 77, 77)),
    ],
)
def test_grey_and_transparency_become_rgb_over_white(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], expected: tuple[int, int, int]
) -> None:
    Image.new(mode, (2, 2), colour).save(tmp_path / "a.png")
    assert kept(tmp_path / "a.png", tmp_path).getpixel((0, 0)) == expected


def test_a_transparent_palette_colour_becomes_white(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 2), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "a.png", transparency=0)
    assert kept(tmp_path / "a.png", tmp_path).getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    Image.new("I;16", (2, 2), 32896).save(tmp_path / "a.png")  # 128 * 257
    assert kept(tmp_path / "a.png", tmp_path).getpixel((0, 0)) == (128, 128, 128)


def test_real_numbers_are_stretched_to_eight_bits(tmp_path: Path) -> None:
    picture = Image.new("F", (2, 1), -1.0)
    picture.putpixel((1, 0), 1.0)
    picture.save(tmp_path / "a.tiff")
    shown = kept(tmp_path / "a.tiff", tmp_path)
    assert [shown.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)]


def test_the_cameras_orientation_is_applied_and_its_notes_are_dropped(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    exif[0x010F] = "a maker's name"
    Image.new("RGB", (6, 2), "white").save(tmp_path / "a.jpg", exif=exif)
    picture = kept(tmp_path / "a.jpg", tmp_path)
    assert picture.size == (2, 6)
    assert not picture.getexif()
    assert b"maker" not in next((tmp_path / "uploads").iterdir()).read_bytes()


def test_a_very_wide_picture_is_scaled_down(tmp_path: Path) -> None:
    Image.new("L", (8192, 16), 9).save(tmp_path / "a.png")
    assert kept(tmp_path / "a.png", tmp_path).size == (4096, 8)


def test_a_text_file_called_png_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello, I am no picture")
    assert refused(tmp_path / "a.png", tmp_path).startswith("This file is not a picture")


def test_an_empty_file_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert refused(tmp_path / "a.png", tmp_path).startswith("This file is not a picture")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    assert "picture" in refused(tmp_path / name, tmp_path)


def test_a_corrupt_file_is_refused(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / "a.png")
    broken = bytearray((tmp_path / "a.png").read_bytes())
    broken[200:260] = bytes(60)
    (tmp_path / "a.png").write_bytes(bytes(broken))
    assert refused(tmp_path / "a.png", tmp_path) == "The picture is damaged or cut off; save it again and upload that."


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    assert refused(tmp_path / "a.png", tmp_path) == "The picture has more than 80 million pixels; scale it down first."


def test_a_preview_is_small_and_says_when_its_file_is_gone(tmp_path: Path) -> None:
    Image.effect_noise((512, 512), 60).save(tmp_path / "a.png")
    address = preview(tmp_path / "a.png", 48)
    assert address.startswith("data:image/webp;base64,")
    assert len(address) < 6000
    with pytest.raises(PictureRefused, match="may have been deleted"):
        preview(tmp_path / "gone.png", 48)
