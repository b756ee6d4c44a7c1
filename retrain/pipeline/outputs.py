"""Checks the output paths of a run before the work: whether they can be written, and whether something else would be overwritten.

An exported file replaces a file, and an exported folder replaces a whole folder. In the other folders, files are added.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.find_run import is_run
from retrain.backbones.table import DEFAULT_ARCHITECTURE
from retrain.exporters.folder import check_folder
from retrain.exporters.order import Order
from retrain.files.atomic import is_special
from retrain.files.temporary_names import clear, temporary
from retrain.options.options import Options
from retrain.pipeline.places import Place, check_apart, key, places
from retrain.pipeline.write_exports import orders_of
from retrain.runs.folder import RUNNING
from retrain.runs.usual_names import HOME, is_usual

_PHOTOS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic")
_MOST_LOOKED_AT = 1_000  # maximum number of entries of a folder in which photos are looked for


def check_outputs(options: Options) -> None:
    """Checks before the work whether its results can be written.

    Raises:
      UserError: two outputs at the same path or one inside the other, a folder at the path of a file, something else at the
        path of a folder, an output in the folder of photos, or a format for which a package is not installed.
      RunError: a path cannot be written.
    """
    for order in orders_of(options):
        if order.format.is_folder:
            check_folder(order.format.flag, order.path, order.format.exporter.holds)
        _check_installed(order, options)
    check_places(places(options), options)


def _check_installed(order: Order, options: Options) -> None:
    """Refuses a format that cannot be written or verified because a package is not installed."""
    row = order.format
    if not row.needs_litert and options.network.backbone_precision != "float32":
        return  # it will not be written, and the user will be told
    given = options.value(row.flag)
    if row.by_default and given == row.place:
        return  # not requested explicitly: after training, `unverifiable` tells the user that it is not written
    other = options.finetune.tunes or options.head.hidden_units or options.network.tfhub_module
    default = options.network.architecture == DEFAULT_ARCHITECTURE and not other
    if missing := row.exporter.missing(default):
        without = f"--{row.flag}=" if given else "--export=tflite"
        raise UserError(f"cannot verify --{row.flag}={order.path}: {missing}, or go without it: {without}")


def check_places(found: list[Place], options: Options) -> None:
    """Checks the output paths themselves; see `check_outputs`."""
    for place in found:
        _check_kind(place, str(options.value(place.flag)))
    check_apart(found)
    for place in found:
        _check_not_kept_for_others(place, options)
        _check_not_among_photos(place, Path(options.data.image_dir))
    _check_writable(found)


def clear_leftovers(options: Options) -> None:
    """Removes temporary files that killed runs left at the output paths of this run."""
    folders = {place.path if place.kind == "tree" else place.path.parent for place in places(options)}
    folders |= {
        Path(options.network.model_dir),
        Path(options.run.bottleneck_dir) / "audits",
        Path(options.finetune.fine_tuned_dir),
    }
    with contextlib.suppress(OSError):  # it may not exist
        folders |= {entry for entry in Path(options.network.model_dir).iterdir() if entry.is_dir()}
    for folder in folders:
        clear(folder)


def _check_kind(place: Place, typed: str) -> None:
    path = place.path
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    except OSError as error:  # the name is too long, links form a circle, or a folder is not accessible
        raise RunError(f"cannot write {place}: {error.strerror or error}; choose another place") from None
    except ValueError:
        raise UserError(f"cannot write {place}: no name may hold that; choose another") from None
    if place.kind == "file" and (stat.S_ISDIR(mode) or typed.endswith(("/", os.sep))):
        raise UserError(f"cannot write {place}: it is a folder; give a file's name")
    if place.kind == "tree" and mode and not stat.S_ISDIR(mode):
        raise UserError(f"cannot write {place}: it is a file; choose another folder")
    if place.kind == "file" and mode:
        _check_special(place, mode)


def _check_special(place: Place, mode: int) -> None:
    """Accepts devices and pipes as outputs, except terminals, disks, sockets and our own standard output."""
    stream = str(place.path.absolute()).startswith(("/dev/fd/", "/dev/std", "/proc/"))
    if stat.S_ISREG(mode) and not stream:
        return
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise UserError(f"cannot write {place}: it is not a file but a disk or a socket; give a file's name")
    if stat.S_ISREG(mode) or _is_ours(place.path) or (stat.S_ISCHR(mode) and _is_terminal(place.path)):
        raise UserError(f"cannot write {place}: the output of this run is printed there; give a file's name")
    if not os.access(place.path, os.W_OK):
        raise RunError(f"cannot write {place}: Permission denied; choose another place")


def _is_ours(path: Path) -> bool:
    """Tells whether a path is our own standard input, output or error; /dev/null never is."""
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                return not path.samefile(os.devnull)
        except (OSError, ValueError):
            continue
    return False


def _is_terminal(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.isatty(descriptor)
    finally:
        os.close(descriptor)


def _check_not_kept_for_others(place: Place, options: Options) -> None:
    """Refuses outputs that would change the files of an earlier run, or the snapshot from which training is resumed."""
    if place.kind == "file" and options.head.resume and key(place.path) == key(Path(options.head.resume)):
        raise UserError(f"cannot write {place}: --resume goes on from that file; give another name")
    _check_not_read(place, options)
    if place.flag == "runs_dir":
        return
    runs, sets = Path(os.path.realpath(options.run.runs_dir)), Path(os.path.realpath(HOME / "sets"))
    path = Path(os.path.realpath(place.path.parent)) / place.path.name
    if path.is_relative_to(sets):
        raise UserError(f"cannot write {place}: {HOME / 'sets'} is for what {HOME} leads to; choose another place")
    if path.is_relative_to(runs) and len(below := path.relative_to(runs).parts) > 1:
        run = runs / below[0]
        if is_run(run) or (run / RUNNING).exists():
            raise UserError(f"cannot write {place}: that folder is kept for an earlier run; choose another place")


def _check_not_read(place: Place, options: Options) -> None:
    """Refuses outputs that would overwrite the feature store, or the network with which the run starts."""
    if place.kind == "tree":
        return
    path = Path(os.path.realpath(place.path))
    if path.parent == Path(os.path.realpath(options.run.bottleneck_dir)) and path.name.startswith("bottlenecks.sqlite"):
        raise UserError(f"cannot write {place}: the photos' features are kept there; choose another place")
    models, here = key(Path(options.network.model_dir)), key(HOME)
    if key(place.path)[: len(models)] == models and here[: len(models)] != models:
        raise UserError(
            f"cannot write {place}: it is inside --model_dir={options.network.model_dir}, where the networks are kept; choose another place"
        )
    if options.network.tfhub_module and path.is_relative_to(os.path.realpath(options.network.tfhub_module)):
        raise UserError(
            f"cannot write {place}: the run begins with --tfhub_module={options.network.tfhub_module}; choose another place"
        )


def _check_not_among_photos(place: Place, photos: Path) -> None:
    """Refuses outputs inside a class folder, outputs that the next run would read as a class, and outputs among the class folders.

    If the photos are in the current folder or above it, all outputs are inside; then only the first two are refused.
    """
    inner, outer = key(place.path), key(photos)
    if inner[: len(outer)] != outer:
        return
    below = inner[len(outer) :]
    if not below:
        if place.kind == "tree" and place.flag not in ("bottleneck_dir", "checkpoint_path"):
            raise UserError(f"cannot write {place}: it is the folder of photos; choose another folder")
        return
    first = photos / Path(os.path.realpath(place.path)).parts[len(outer)]
    if first.name == HOME.name:
        return
    if place.flag == "device_folder":
        raise UserError(
            f"cannot write {place}: a photo is in it, and {photos} would have a class more; choose another folder"
        )
    if (len(below) > 1 or place.kind == "tree") and _has_photos(first):
        raise UserError(f"cannot write {place}: it is among the photos of {first}; choose another place")
    if key(Path.cwd())[: len(outer)] != outer:
        raise UserError(f"cannot write {place}: it is inside --image_dir={photos}; choose another place")


def _has_photos(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(one.name.lower().endswith(_PHOTOS) for one in itertools.islice(entries, _MOST_LOOKED_AT))
    except OSError:
        return False


def _check_writable(found: Iterable[Place]) -> None:
    """Writes and removes an empty file next to each output, which is a more reliable check than reading permissions."""
    tried: set[Path] = set()
    sets = [Place(place.flag, HOME / "sets", "tree") for place in found if is_usual(place.path)]
    for place in [*found, *sets[:1]]:
        if (
            is_special(place.path) or place.flag == "bottleneck_dir"
        ):  # the store itself reports this at once, with a better message
            continue
        path = Path(os.path.realpath(place.path))
        folder = path if place.kind == "tree" else path.parent
        if folder in tried:
            continue
        tried.add(folder)
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            scratch = temporary(folder / "try")
            scratch.open("xb").close()
            scratch.unlink()
        except OSError as error:
            raise RunError(f"cannot write {place}: {error.strerror or error}; choose another place") from None
        finally:
            for made in missing:  # an empty folder could be read as a class
                with contextlib.suppress(OSError):
                    made.rmdir()
