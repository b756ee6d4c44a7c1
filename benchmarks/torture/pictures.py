"""Damages the bytes of real photos in eight formats, and decodes them as labelling and training do.

A trial passes if decoding returns pixels of the requested size or raises a PhotoError with its reason, within a limit of
time and memory.
"""

from __future__ import annotations

import io
import itertools
import multiprocessing
import resource
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
from PIL import Image, features

from benchmarks.torture.ground import Ground
from benchmarks.torture.mutate import mutated
from benchmarks.torture.tally import Tally

PICTURES = 5000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
_A_CHILD = 250  # pictures for each child
_PATIENCE_S = 20.0  # limit for one picture
_MOST_MB = 2500  # resident


def tried(ground: Ground) -> Tally:
    """Decodes damaged pictures in child processes, so that a crash is counted."""
    tally = Tally("pictures", "damaged JPEG, PNG, WebP, GIF, TIFF, BMP, PPM and AVIF pictures, decoded")
    originals = list(_originals(ground))
    numbers = iter(range(ground.times(PICTURES, 50)))
    while some := list(itertools.islice(numbers, _A_CHILD)):
        while some:
            some = _a_child(ground, originals, some, tally)
    return tally.done()


def _originals(ground: Ground) -> Iterator[tuple[str, bytes]]:
    photos = itertools.islice(sorted(ground.some_photos("a").glob("*/*.jpg")), 6)
    for number, path in enumerate(photos):
        yield f"{path.name}", path.read_bytes()
        with Image.open(path) as opened:
            small = opened.convert("RGB").resize((160, 120))
        for form in _FORMATS:
            if form == "AVIF" and not features.check("avif"):
                continue
            whole = io.BytesIO()
            options = {"progressive": True} if form == "JPEG" else {}
            (small.convert("P") if form == "GIF" else small).save(whole, form, **options)
            yield f"{form} {number}", whole.getvalue()


def _a_child(ground: Ground, originals: list[tuple[str, bytes]], numbers: list[int], tally: Tally) -> list[int]:
    """Decodes pictures in one child process; returns those that are left if it crashed or hung."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_decode_all, args=(ground, originals, numbers, theirs))
    child.start()
    theirs.close()
    try:
        for place, number in enumerate(numbers):
            case = f"picture {number}, {originals[number % len(originals)][0]}"
            if not ours.poll(_PATIENCE_S):
                tally.add(f"not decoded after {_PATIENCE_S:g} s", case)
                return numbers[place + 1 :]
            try:
                tally.add(ours.recv(), case)
            except EOFError:
                child.join()
                tally.add(f"the process died ({child.exitcode})", case)
                return numbers[place + 1 :]
    finally:
        child.kill()
        child.join()
    return []


def _decode_all(ground: Ground, originals: list[tuple[str, bytes]], numbers: list[int], connection: Connection) -> None:
    for number in numbers:
        connection.send(_problem(mutated(originals[number % len(originals)][1], ground.rng(20, number))))


def _problem(data: bytes) -> str:
    from label_image.errors import PhotoError
    from label_image.photo_pixels import decode

    start = time.perf_counter()
    try:
        pixels = decode(data, 128, 128)
        if pixels.shape != (128, 128, 3) or pixels.dtype != np.uint8:
            return f"decoding returned {pixels.dtype} {pixels.shape}"
    except PhotoError as error:
        if not error.reason or "\n" in str(error):
            return f"the message is not one line: {str(error)!r}"
    except Exception as error:  # this is what the test counts
        return f"{type(error).__name__}: {error}"
    if time.perf_counter() - start > _PATIENCE_S:
        return f"it took {time.perf_counter() - start:.0f} s"
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return f"{peak_mb:.0f} MB were used" if peak_mb > _MOST_MB else ""
