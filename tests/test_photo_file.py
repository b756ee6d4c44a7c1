"""What is opened as a photo, and what one photo may take: formats by a list, bounds on memory and time, no waiting for pipes."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile

from label_image import photo_file, photo_pixels
from label_image.cli import main
from label_image.errors import PhotoError
from label_image.input_photos import photos
from label_image.photo_pixels import decode, open_photo, to_rgb
from label_image.photo_pixels import encoded as as_jpeg_or_png
from tests.conftest import COLOURS, write_photo
from tests.test_pixels import encoded, scene, trouble

# As in test_pixels: pytest sets its own filters after label_image.photo_file is imported.
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
OPENED = {"JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF", "PPM", "TGA", "JPEG2000", "ICO"}


def refused_at_once(data, monkeypatch):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    return trouble(data)


def png_header(width, height, bits, colour):
    """A PNG of which there is nothing but the header."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + size + chunk(b"IDAT", b"x" * 9)


# --- formats


def written():
    """Each format that Pillow writes, with a picture in it."""
    Image.init()
    for form in sorted(Image.SAVE):
        for mode in ("RGB", "L", "1"):
            try:
                yield form, encoded(Image.new(mode, (64, 64)), form)
                break
            except (OSError, ValueError, KeyError, SystemError, TypeError, AttributeError):
                continue


WRITTEN = dict(written())


@pytest.mark.parametrize("form", WRITTEN)
def test_only_formats_of_the_list_are_opened(form):
    if form in OPENED:
        assert decode(WRITTEN[form], 8, 8).shape == (8, 8, 3)
    elif form not in ("PDF", "PALM", "BLP", "BUFR", "GRIB", "HDF5", "WMF"):
        assert trouble(WRITTEN[form]).reason


def test_there_are_formats_that_pillow_would_open_and_we_do_not():
    refused = set(WRITTEN) & set(Image.OPEN) - OPENED
    assert {"EPS", "PCX", "SGI", "IM", "ICNS"} <= refused


def test_a_drawing_named_as_a_photo_starts_no_program(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gs").write_text(f"#!/bin/sh\necho called > {tmp_path}/called\n")
    (tmp_path / "bin/gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "holiday.jpg").write_bytes(WRITTEN["EPS"])
    assert str(trouble(tmp_path / "holiday.jpg")) == "a PostScript drawing: save it as PNG"
    for start in (b"%!PS-Adobe-3.0", b"\xc5\xd0\xd3\xc6"):
        assert trouble(start + b"\0" * 40).reason == "a PostScript drawing"
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("start", "what"),
    [(b"8BPS\0\1", "a Photoshop document"), (b"DDS \x7c", "a DDS texture"), (b"qoif\0\0", "a QOI picture")],
)
def test_pictures_that_are_not_opened_are_named(start, what):
    assert trouble(start + bytes(60)).reason == what


# --- memory


@pytest.mark.parametrize("bits_colour", [(8, 0), (8, 2), (8, 6), (16, 0), (16, 4), (16, 6), (1, 0)])
def test_a_phones_108_megapixels_pass_in_every_form_of_a_png(bits_colour):
    with open_photo(png_header(12000, 9000, *bits_colour)) as image:
        assert image.size == (12000, 9000)
        assert photo_file.needed(image) < photo_file.MAX_MEMORY


def test_a_phones_108_megapixels_pass_as_a_progressive_jpeg(monkeypatch):
    data = resized(encoded(scene(16, 16), "JPEG", progressive=True, subsampling=0), 12000, 9000)
    with open_photo(data) as image:
        assert image.size == (12000, 9000)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_header(1, 100_000_000, 8, 0), "1 x 100000000 pixels; a side may have at most 100,000"),
        (png_header(100_001, 2, 8, 2), "a side may have at most 100,000"),
        (png_header(20_000, 20_000, 8, 2), "more than 178,956,970 pixels"),
        (b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xfe\xff\xa4\x0a" + bytes(9), "MB of memory; at most 1,536"),
        (b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xfe\x3f\0\xfe\x29\0" + bytes(9), "MB of memory; at most 1,536"),
        (
            b"RIFF\x1a\0\0\0WEBPVP8 \x0d\0\0\0\0\0\0\x9d\x01\x2a\xff\x3f\x94\x2a" + bytes(9),
            "MB of memory; at most 1,536",
        ),
    ],
)
def test_what_would_take_gigabytes_is_refused_by_its_header(monkeypatch, data, message):
    error = refused_at_once(data, monkeypatch)
    assert error.reason == "too large"
    assert message in error.detail


def test_what_pillow_decodes_in_python_has_a_bound_of_its_own(monkeypatch):
    bmp = bytearray(encoded(Image.new("P", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<ii", 4000, 4000)
    bmp[30:34] = struct.pack("<I", 1)  # run-length: 2 bytes end a line
    error = refused_at_once(bytes(bmp), monkeypatch)
    assert error.reason == "too large"
    assert "4000 x 4000 pixels in a format that is decoded slowly" in error.detail
    assert "decoded slowly" in refused_at_once(b"P3\n4000 4000\n255\n0 0 0 ", monkeypatch).detail


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F", "PA"])
@pytest.mark.parametrize("transparent", [False, True])
def test_a_large_picture_is_made_rgb_in_bands_to_the_same_numbers(monkeypatch, mode, transparent):
    rng = np.random.default_rng(3)
    source = Image.fromarray(rng.integers(0, 256, (37, 21, 4), np.uint8))
    if mode in ("I", "I;16", "F"):
        values = rng.integers(0, 60000, (37, 21))
        source = Image.fromarray(values.astype({"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]))
    elif mode in ("P", "PA"):
        source = source.convert("RGB").quantize(20).convert(mode)
    else:
        source = source.convert("RGB").convert(mode) if mode in ("1", "CMYK") else source.convert(mode)
    if transparent and mode in ("L", "P", "I", "I;16"):
        source.info["transparency"] = int(np.asarray(source)[30, 5])
    at_once = np.asarray(to_rgb(source))
    monkeypatch.setattr(photo_pixels, "_BAND", 64)
    assert (np.asarray(to_rgb(source)) == at_once).all()


def test_large_photos_are_decoded_one_at_a_time(monkeypatch):
    monkeypatch.setattr(photo_pixels, "_IN_TURN", 0)
    running, most = [], []

    def busy(image):
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()
        return to_rgb(image)

    monkeypatch.setattr(photo_pixels, "to_rgb", busy)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: decode(encoded(scene(8, 8)), 4, 4), range(8)))
    assert max(most) == 1


def test_other_frames_are_not_decoded():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    for form in ("GIF", "PNG"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        at = data.index(b"fdAT") if form == "PNG" else data.rindex(b"\x2c")
        broken = data[:at] + b"\xff" * 12 + data[at + 12 :]
        assert (decode(broken, 8, 8) == (255, 0, 0)).all()


def test_a_file_of_gigabytes_is_not_read_whole(tmp_path):
    path = tmp_path / "a.jpg"
    for options in ({}, {"progressive": True}):
        path.write_bytes(encoded(scene(40, 40), "JPEG", **options))
        os.truncate(path, 5 << 30)  # a sparse file: 5 GB of zeros behind the photo
        assert decode(path, 8, 8).shape == (8, 8, 3)
        with pytest.raises(PhotoError, match="too large: a file of 5,120 MB"):
            as_jpeg_or_png(path)
    path.write_bytes(b"RIFF\xff\xff\xff\x7fWEBPVP8 \x0d\0\0\0\0\0\0\x9d\x01\x2a\x08\0\x08\0" + bytes(9))
    os.truncate(path, 5 << 30)
    assert trouble(path).reason == "too large"


# --- the scans of a JPEG


def resized(jpeg, width, height):
    """The same JPEG with another size in its header."""
    at = max(jpeg.find(b"\xff\xc2"), jpeg.find(b"\xff\xc0"))
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def with_scans(jpeg, count):
    """The same progressive JPEG, its last scan so many times more."""
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * count + jpeg[-2:]


PROGRESSIVE = encoded(scene(16, 16), "JPEG", progressive=True, quality=90)


@pytest.mark.parametrize(("width", "height", "count"), [(4000, 4000, 2000), (12000, 9000, 30), (16, 16, 1001)])
def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded(monkeypatch, width, height, count):
    error = refused_at_once(with_scans(resized(PROGRESSIVE, width, height), count), monkeypatch)
    assert error.reason == "too slow to read"
    most = min(1000, 2_000_000_000 // (width * height))
    assert f"more than {most:,} scans; photos have about ten" in error.detail


def test_baseline_scans_of_one_component_each_are_counted_too(monkeypatch):
    header = encoded(scene(16, 16), "JPEG")
    at = header.index(b"\xff\xda")
    one = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + bytes(40)
    data = resized(header[:at] + one * 2000 + b"\xff\xd9", 4000, 4000)
    assert refused_at_once(data, monkeypatch).reason == "too slow to read"


def test_photos_with_ten_scans_and_what_looks_like_more_are_read():
    whole = decode(PROGRESSIVE, 16, 16)
    film = np.random.default_rng(4).bytes(100_000) + b"\xff\xda" * 5000  # as phones put one behind a photo
    for data in (PROGRESSIVE + film, with_scans(PROGRESSIVE, 0)):
        assert (decode(data, 16, 16) == whole).all()
    plain = encoded(scene(16, 16), "JPEG")
    assert (decode(plain + film, 16, 16) == decode(plain, 16, 16)).all()
    comment = b"\xff\xfe" + struct.pack(">H", 60_002) + b"\xff\xda" * 30_000
    commented = PROGRESSIVE[:2] + comment + PROGRESSIVE[2:]
    assert (decode(commented, 16, 16) == whole).all()
    thumbnail = b"\xff\xfe" + struct.pack(">H", len(PROGRESSIVE) + 2) + PROGRESSIVE
    between = PROGRESSIVE.rindex(b"\xff\xda")
    assert (decode(PROGRESSIVE[:between] + thumbnail * 200 + PROGRESSIVE[between:], 16, 16) == whole).all()


# --- pipes, devices, sockets


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
class TestPipes:
    def test_a_pipe_in_a_folder_is_said_and_not_waited_for(self, tmp_path, tflite, capsys, monkeypatch):
        write_photo(tmp_path / "in/a.jpg", COLOURS["cyan"], 1)
        os.mkfifo(tmp_path / "in/b.jpg")
        with socket.socket(socket.AF_UNIX) as listening:
            monkeypatch.chdir(tmp_path / "in")
            listening.bind("c.jpg")
            (tmp_path / "in/d.jpg").symlink_to("/dev/zero")
            found = [(item.name[-5:], str(item.error)) for item in photos([str(tmp_path / "in")], tmp_path)]
            why = "not a file: a pipe, socket or device"
            assert found == [("a.jpg", "None"), ("b.jpg", why), ("c.jpg", why), ("d.jpg", why)]
            assert found == [(i.name[-5:], str(i.error)) for i in photos([str(tmp_path / "in/*.jpg")], tmp_path)]
            assert main([f"--graph={tflite}", str(tmp_path / "in"), "--top_k=1"]) == 1
        said = capsys.readouterr()
        assert said.out.count(why) == 3
        assert "3 of 4 photos could not be " in said.err

    def test_a_pipe_that_was_named_is_waited_for_only_so_long(self, tmp_path, monkeypatch):
        os.mkfifo(tmp_path / "pipe")
        monkeypatch.setattr(photo_file, "_PIPE_S", 0.1)
        assert "delivered no complete photo" in trouble(tmp_path / "pipe").detail

    def test_a_pipe_that_never_ends_is_cut(self, tmp_path, monkeypatch):
        os.mkfifo(tmp_path / "pipe")
        monkeypatch.setattr(photo_file, "_PIPE_BYTES", 100_000)

        def endless():
            try:
                with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
                    while True:
                        pipe.write(bytes(50_000))
            except BrokenPipeError:
                pass

        writer = threading.Thread(target=endless)
        writer.start()
        assert trouble(tmp_path / "pipe").reason == "too large"
        writer.join(10)

    @pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/dev/tty"])
    def test_a_device_is_no_photo(self, name):
        assert str(trouble(name)) == "not a file: a device"

    def test_a_photo_comes_through_a_pipe_in_pieces(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        photo = encoded(scene(30, 30))

        def slowly():
            with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
                for at in range(0, len(photo), 500):
                    pipe.write(photo[at : at + 500])
                    time.sleep(0.002)

        writer = threading.Thread(target=slowly)
        writer.start()
        assert (decode(tmp_path / "pipe", 9, 9) == decode(photo, 9, 9)).all()
        writer.join(10)


# --- names


@pytest.mark.parametrize("flag", ["--image", "--graph", "--describe", "--labels", "--output"])
def test_a_name_that_is_too_long_is_one_line(tflite, tmp_path, monkeypatch, capsys, flag):
    monkeypatch.chdir(tmp_path)
    write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 1)
    words = {"--graph": str(tflite), "--image": "a.jpg", flag: "x" * 300}
    assert main([f"{name}={value}" for name, value in words.items()]) in (1, 2)
    said = capsys.readouterr()
    assert "File name too long" in said.out + said.err
    assert len(said.err.splitlines()) == 1


def test_a_folder_for_labels_is_one_line(tflite, tmp_path, capsys):
    write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 1)
    assert main([f"--graph={tflite}", f"--labels={tmp_path}", str(tmp_path / "a.jpg")]) == 1
    assert "is a folder; give the labels file in it" in capsys.readouterr().err
