"""One way from a file to numbers: whatever the format, mode or orientation, and a reason for what cannot be read."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from label_image import photo_pixels
from label_image.errors import PhotoError
from label_image.extras import install
from label_image.photo_pixels import decode, normalise, open_photo, to_rgb
from tests.conftest import ROOT, SHARED

ORIENTATION = 0x0112
LOSSLESS = ["PNG", "BMP", "TIFF", "GIF", "PPM", "TGA"]
LOSSY = ["JPEG", "WEBP", "JPEG2000", *(["AVIF"] if "AVIF" in Image.SAVE else [])]
TORTURE = SHARED / "data" / "torture"
# Pillow's warnings about odd files are silenced when label_image.photo_pixels is imported; pytest sets its own filters after that.
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning")]


def scene(height: int, width: int) -> np.ndarray:
    """uint8 [height, width, 3]: smooth, and different in each corner."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y)], axis=-1).astype(np.uint8)


def encoded(picture: np.ndarray | Image.Image, form: str = "PNG", **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """What a camera writes so that a viewer, heeding the orientation, shows `upright`."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]


def trouble(source: str | Path | bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode(source, 8, 8)
    assert caught.value.exit_status == 1
    assert "\n" not in str(caught.value)
    return caught.value


def outcome(source: str | Path | bytes, height: int, width: int) -> np.ndarray | PhotoError:
    try:
        return decode(source, height, width)
    except PhotoError as error:
        return error


# --- formats


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_lossless_format_gives_the_pixels_that_were_saved(form):
    # One colour: a GIF has 256 of them.
    picture = np.full((20, 30, 3), (12, 200, 99), np.uint8)
    found = decode(encoded(picture, form), 20, 30)
    assert (found.dtype, found.shape) == (np.uint8, (20, 30, 3))
    assert (found == picture).all()


@pytest.mark.parametrize("form", LOSSY)
def test_a_lossy_format_gives_nearly_the_pixels_that_were_saved(form):
    found = decode(encoded(scene(40, 60), form), 40, 60)
    assert np.abs(found.astype(int) - scene(40, 60)).mean() < 4


def test_the_content_decides_the_format_and_not_the_name(tmp_path):
    path = tmp_path / "holiday.jpg"
    for form in LOSSLESS:
        path.write_bytes(encoded(np.full((9, 9, 3), 77, np.uint8), form))
        assert (decode(path, 4, 4) == 77).all()


def test_a_path_its_text_and_its_bytes_give_the_same_numbers(tmp_path):
    path = tmp_path / "ünïcödé, 1.webp"
    path.write_bytes(encoded(scene(300, 500), "JPEG", quality=90))
    assert (decode(path, 37, 51) == decode(path.read_bytes(), 37, 51)).all()
    assert (decode(path, 37, 51) == decode(str(path), 37, 51)).all()


def test_many_threads_get_the_numbers_of_one():
    photos = [encoded(scene(200 + 10 * n, 300), "JPEG") for n in range(8)] * 4
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data, 32, 32), photos))
    assert all((one == decode(data, 32, 32)).all() for one, data in zip(together, photos, strict=True))


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    assert (decode(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 8, 8) == (255, 0, 0)).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_a_picture_of_any_shape_is_squashed_to_the_size_asked(height, width):
    found = decode(encoded(np.full((height, width, 3), 130, np.uint8)), 24, 32)
    assert found.shape == (24, 32, 3)
    assert (found == 130).all()


def test_the_whole_picture_is_squashed_and_nothing_is_cut_off():
    found = decode(encoded(scene(100, 300)), 50, 50).astype(int)
    assert (np.abs(found[[0, 0, -1, -1], [0, -1, 0, -1]] - scene(2, 2).reshape(4, 3)) < 8).all()


# --- orientation


@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_picture(form, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {"lossless": True} if form == "WEBP" else {}
    stored = np.ascontiguousarray(as_stored(scene(48, 80), orientation))
    found = decode(encoded(stored, form, exif=exif, **options), 24, 36)
    # 1 for rounding in another order; a JPEG's blocks lie elsewhere in a turned picture.
    tolerance = 6 if form == "JPEG" else 1
    assert np.abs(found.astype(int) - decode(encoded(scene(48, 80)), 24, 36)).max() <= tolerance


def test_an_orientation_that_does_not_exist_is_no_reason_to_turn_or_refuse():
    exif = Image.Exif()
    exif[ORIENTATION] = 99
    assert (decode(encoded(scene(8, 8), exif=exif), 8, 8) == scene(8, 8)).all()


def test_broken_exif_does_not_make_a_photo_unreadable():
    data = encoded(scene(8, 8), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert decode(data, 8, 8).shape == (8, 8, 3)


def test_a_photo_on_its_side_is_not_decoded_smaller_than_it_needs(monkeypatch):
    asked = []
    monkeypatch.setattr(ImageFile.ImageFile, "draft", lambda _, mode, size: asked.append(size), raising=False)
    monkeypatch.delattr("PIL.JpegImagePlugin.JpegImageFile.draft")
    decode(encoded(scene(8, 8), "JPEG"), 60, 1000)
    assert asked == [(2000, 2000)]  # two pixels for each one asked, whichever side is up


# --- modes


def test_grey_becomes_three_equal_channels():
    found = decode(encoded(scene(20, 20)[..., 0]), 20, 20)
    assert (found == scene(20, 20)[..., :1]).all()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_cut(form):
    grey = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    assert decode(encoded(grey, form), 1, 4)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_grey_is_rounded_to_the_nearest_of_all_its_values():
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(np.arange(65536) * 255 / 65535).reshape(256, 256)
    assert (np.asarray(to_rgb(Image.fromarray(grey)))[..., 0] == expected).all()


def test_thirty_two_bit_grey_is_scaled_by_its_range():
    values = np.array([[0, 2**24, 2**31 - 1]], np.int32)
    assert decode(encoded(values, "TIFF"), 1, 3)[0, :, 0].tolist() == [0, 1, 128]


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_floats_of_0_to_1_and_of_0_to_255_are_the_same_picture(white):
    values = np.array([[0, white / 5, white]], np.float32)
    assert decode(encoded(values, "TIFF"), 1, 3)[0, :, 0].tolist() == [0, 51, 255]


def test_floats_that_are_no_numbers_are_black_or_white():
    values = np.array([[np.nan, -np.inf, -3, 200, 1e38, np.inf]], np.float32)
    assert decode(encoded(values, "TIFF"), 1, 6)[0, :, 0].tolist() == [0, 0, 0, 200, 255, 255]


@pytest.mark.shared
def test_twelve_bits_in_a_tiff_are_taken_as_twelve():
    # Its brightest pixel is 30 of 4095: 30 * 255 / 4095 = 1.87.
    with Image.open(TORTURE / "12bit.cropped.tif") as image:
        assert np.asarray(to_rgb(image)).max() == 2


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_colours_that_are_printed(form):
    inks = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    assert np.abs(decode(encoded(inks, form), 4, 4).astype(int) - (255, 0, 0)).max() <= 2


def test_a_palette_becomes_its_colours():
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([9, 9, 9, 10, 20, 30])
    assert (decode(encoded(picture), 4, 4) == (10, 20, 30)).all()


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_what_is_transparent_in_a_palette_becomes_white(transparency):
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    picture.putpalette([9, 9, 9, 10, 20, 30])
    found = decode(encoded(picture, transparency=transparency), 1, 2)
    assert found.tolist() == [[[9, 9, 9], [255, 255, 255]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode):
    picture = Image.fromarray(np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)).convert(mode)
    assert decode(encoded(picture), 1, 3)[0, :, 0].tolist() == [255, 0, 127]


def test_a_transparent_colour_becomes_white():
    picture = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert decode(encoded(picture, transparency=(4, 5, 6)), 1, 2).tolist() == [[[1, 2, 3], [255, 255, 255]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_transparent_grey_becomes_white(dtype):
    grey = np.array([[7, 0]], dtype)
    assert decode(encoded(grey, transparency=7), 1, 2)[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV",
     "I", "F", "I;16", "I;16L", "I;16B", "I;16N"],
)  # fmt: skip
def test_every_mode_that_pillow_has_becomes_rgb(mode):
    assert to_rgb(Image.new(mode, (3, 2))).mode == "RGB"


# --- large photos


def test_a_jpeg_that_is_decoded_smaller_gives_nearly_the_pixels_of_a_full_decode():
    # The scaled decode averages each 2x2, 4x4 or 8x8 pixels as a box, before the antialiased resize from at least twice
    # the size asked. Measured on 12-megapixel photos and on pure noise: at most 4 of 255 in a pixel, 0.5 in the mean.
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8))
    photo = encoded(coarse.resize((4000, 3000), Image.Resampling.BICUBIC), "JPEG", quality=85)
    with Image.open(io.BytesIO(photo)) as image:
        whole = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), int)
    difference = np.abs(decode(photo, 224, 224) - whole)
    assert difference.max() <= 6
    assert difference.mean() < 0.6


def test_a_phones_108_megapixels_pass_and_nothing_is_said(tmp_path):
    code = (
        "import io; from PIL import Image; from label_image.photo_pixels import decode; f = io.BytesIO();"
        "Image.new('L', (12000, 9000), 90).save(f, 'JPEG'); print(decode(f.getvalue(), 4, 4).mean())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "90.0\n", "")


@pytest.mark.shared
def test_nothing_is_said_of_odd_files_beside_the_error(tmp_path):
    code = (
        "import sys; from label_image.photo_pixels import decode, PhotoError\n"
        "for path in sys.argv[1:]:\n    try: decode(path, 4, 4)\n    except PhotoError: pass\n"
    )
    # Not crash-2020-10-test.tif and the like: of those libtiff itself writes to standard error.
    names = (
        "exif_typeerror.jpg",
        "invalid-exif.jpg",
        "image01980.jpg",
        "multiple_exif.jpg",
        "broken.png",
        "badrle.bmp",
    )
    command = [sys.executable, "-W", "default", "-c", code, *(str(TORTURE / name) for name in names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header says that it is huge."""
    small = encoded(Image.new("1", (8, 8)))
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + small[24:29]
    import zlib

    return small[:12] + header + zlib.crc32(header).to_bytes(4, "big") + small[33:]


@pytest.mark.parametrize(("width", "height"), [(20000, 20000), (2**31 - 1, 2**31 - 1), (178_956_971, 1)])
def test_a_decompression_bomb_is_refused_by_its_header(monkeypatch, width, height):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("memory was asked for"))
    error = trouble(bomb(width, height))
    assert (error.reason, "pixels" in error.detail) == ("too large", True)


def test_the_limit_holds_where_pillows_own_was_switched_off(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert str(trouble(bomb(20000, 20000))) == "too large: 20000 x 20000 pixels"


def test_a_photo_that_does_not_fit_in_memory_is_one_bad_photo(monkeypatch):
    def full(image):
        raise MemoryError

    monkeypatch.setattr(photo_pixels, "to_rgb", full)
    assert trouble(encoded(scene(6, 5))).reason == "too large"


# --- what cannot be read

NO_PICTURES = {
    b"": "empty file",
    b"hello": "a text file",
    b"\xef\xbb\xbf<!DOCTYPE html><html>": "a web page",
    b"  <html><body>404": "a web page",
    b"<?xml version='1.0'?><svg xmlns=''>": "an SVG drawing",
    b"%PDF-1.7\n\xe2": "a PDF document",
    b"PK\x03\x04\x14\0": "a zip archive",
    b"\0\0\0\x18ftypmp42\0\0\0\0": "a video",
    b"\x1aE\xdf\xa3\x01\0\0\0": "a video",
    b"RIFF\x10\0\0\0AVI LIST": "a video",
    b"RIFF\x10\0\0\0WAVEfmt ": "a sound",
    b"\0\0\0\x18ftypcrx \0\0\0\1": "a camera's raw photo",
    b"\xff\x0a\xfa\x7f\x01": "JPEG XL photo",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL photo",
    b"#!/bin/sh\nrm": "a program",
    bytes(4096): "not a picture",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "not a picture",
    b"\xff\xd8\xff\xe0": "damaged",
    b"RIFF\x10\0\0\0WEBPVP8 ": "damaged",
    b"\x89PNG\r\n\x1a\n": "damaged",
    b"GIF89a\0\0\0\0": "damaged",
}


@pytest.mark.parametrize(("data", "reason"), NO_PICTURES.items(), ids=lambda value: ascii(value)[:24])
def test_what_is_no_picture_is_named_by_its_first_bytes(tmp_path, data, reason):
    assert trouble(data).reason == reason
    (tmp_path / "photo.jpg").write_bytes(data)
    assert str(trouble(tmp_path / "photo.jpg")) == str(trouble(data))


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1", b"hevc"])
def test_an_iphones_photo_gets_the_hint_which_package_reads_it(brand, monkeypatch):
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)  # as where pillow-heif is not installed
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    error = trouble(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic")
    assert (error.reason, install("heic") in error.detail) == ("HEIC photo", True)


@pytest.mark.parametrize(("brand", "form", "there"), [(b"heic", "HEIF", "HEIC"), (b"avif", "AVIF", "AVIF")])
def test_a_broken_photo_gets_no_hint_where_its_package_is_installed(monkeypatch, brand, form, there):
    monkeypatch.setitem(Image.OPEN, form, Image.OPEN["PNG"])
    error = trouble(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic")
    assert error.reason == "damaged"
    assert f"{there} according to its first bytes" in error.detail


def test_an_avif_photo_gets_the_hint_where_pillow_is_too_old_for_it(monkeypatch):
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    monkeypatch.setattr(Image, "ID", [form for form in Image.ID if form != "AVIF"])
    error = trouble(b"\0\0\0\x18ftypavif\0\0\0\0avifmif1")
    assert (error.reason, "pillow>=11.3" in error.detail) == ("AVIF photo", True)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP", "TIFF"])
def test_a_photo_of_which_the_end_is_missing_is_refused(form):
    rng = np.random.default_rng(1)
    data = encoded(rng.integers(0, 256, (90, 90, 3), np.uint8), form)
    assert trouble(data[: len(data) // 2]).reason in ("cut short", "damaged")
    if form != "TIFF":  # whose directory is at the end
        assert trouble(data[: len(data) // 2]).reason == "cut short"


def test_a_png_that_breaks_half_way_is_not_taken_with_its_lower_half_black():
    # Pillow's second try of such a file succeeds, and asking a PNG for EXIF is a first try.
    rng = np.random.default_rng(2)
    data = bytearray(encoded(rng.integers(0, 256, (90, 90, 3), np.uint8)))
    data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    assert trouble(bytes(data)).reason in ("damaged", "cut short")


def test_a_file_that_is_not_there_a_folder_and_odd_names_are_photo_errors(tmp_path):
    assert trouble(tmp_path / "missing.jpg").reason == "not found"
    assert trouble(str(tmp_path)).reason == "a folder"
    assert trouble(tmp_path / ("n" * 300)).reason == "unreadable"
    assert trouble("a\0b.jpg").reason == "unreadable"


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EACCES, "no permission"), (errno.EPERM, "no permission"), (errno.EIO, "unreadable")],
)
def test_what_the_system_refuses_is_said_in_its_words(monkeypatch, number, reason):
    def refuse(source, **_):
        raise OSError(number, os.strerror(number), source)

    monkeypatch.setattr(Image, "open", refuse)
    error = trouble("photo.jpg")
    assert error.reason == reason
    assert "photo.jpg" not in error.detail  # the caller names the file


@pytest.mark.parametrize("data", [encoded(np.full((4, 4, 3), 9, np.uint8)), b"no picture at all"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_is_read_once_and_never_waited_for_again(tmp_path, data):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,), daemon=True)
    writer.start()
    if data.startswith(b"\x89PNG"):
        assert (decode(tmp_path / "pipe", 2, 2) == 9).all()
    else:
        assert trouble(tmp_path / "pipe").reason == "unreadable"
    writer.join(10)


def test_open_photo_reads_the_header_only(monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("the pixels were read"))
    with open_photo(encoded(scene(30, 20))) as image:
        assert image.size == (20, 30)


WHOLE = encoded(scene(40, 40), "JPEG")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6), st.sampled_from(["JPEG", "PNG", "GIF", "TIFF"])
)
def test_whatever_is_written_over_a_photo_it_is_a_picture_or_a_photo_error(place, garbage, form):
    data = bytearray(WHOLE if form == "JPEG" else encoded(scene(12, 12), form))
    place %= len(data)
    data[place : place + len(garbage)] = garbage
    found = outcome(bytes(data), 8, 8)
    assert found.reason if isinstance(found, PhotoError) else found.shape == (8, 8, 3)


# --- the torture folder


def torture_table() -> dict[str, str]:
    """File -> what its README says of it: "ok ..." or "FAIL ..."."""
    if not TORTURE.is_dir():
        return {}
    text = (TORTURE / "README.md").read_text("utf-8")
    return dict(re.findall(r"^\| `(.+?)` \|.*\| ((?:ok|FAIL)[^|]*) \|$", text, re.MULTILINE))


# The table was made by asking for EXIF first, which loads a PNG and lost its error ("orient=err"), and then loading again.
TABLE_ERRS = {
    "broken_data_stream.png": "40 of its 128 rows would be black",
    "truncated_end_chunk.png": "Pillow refuses it at the first load, as a JPEG without its end",
}


@pytest.mark.shared
@pytest.mark.parametrize("name", torture_table() or ["shared photos are missing"])  # then it is skipped
def test_a_tortured_file_is_a_picture_or_has_a_reason(name):
    verdict = "FAIL" if name in TABLE_ERRS else torture_table()[name].split()[0]
    found = outcome(TORTURE / name, 24, 32)
    if isinstance(found, PhotoError):
        assert (verdict, bool(found.reason), str(TORTURE) in str(found)) == ("FAIL", True, False)
    else:
        assert (verdict, found.dtype, found.shape) == ("ok", np.uint8, (24, 32, 3))


@pytest.mark.shared
def test_the_table_of_the_torture_folder_was_read_whole():
    assert set(torture_table()) == {path.name for path in TORTURE.iterdir()} - {"README.md"}
    assert trouble(TORTURE / "README.md").reason in ("a text file", "not a picture")


@pytest.mark.shared
@pytest.mark.parametrize("orientation", range(2, 9))
def test_pillows_own_orientation_photos_are_upright(orientation):
    # They are 128 x 128 and were compressed anew after they were turned: 8 of 255 in the mean of a pixel.
    expected = decode(TORTURE / "hopper.jpg", 64, 64).astype(int)
    found = decode(TORTURE / f"hopper_orientation_{orientation}.jpg", 64, 64)
    assert np.abs(found - expected).mean() < 8


# --- numbers for a network


def test_normalise_is_pixels_minus_mean_by_std_in_float32():
    found = normalise(np.array([[[0, 127, 255]]], np.uint8), (127.0,), (128.0,))
    assert found.dtype == np.float32
    assert found.tolist() == [[[-0.9921875, 0.0, 1.0]]]


def test_normalise_takes_a_mean_and_a_std_for_each_channel_and_leaves_its_argument_alone():
    values = np.array([[[10.0, 20.0, 30.0]]], np.float32)
    assert normalise(values, (10, 10, 10), (1, 2, 4)).tolist() == [[[0, 5, 5]]]
    assert values.tolist() == [[[10, 20, 30]]]
