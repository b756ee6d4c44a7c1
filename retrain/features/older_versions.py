"""Handles features that were computed with other versions of the libraries.

The features of the previous versions are kept, so that two installations can use one store in turn. Older ones are deleted, so that
a store does not grow with each upgrade.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retrain.features import library_versions
from retrain.store.feature_store import Store


def say_changed(store: Store, key: str, missing: Sequence[str], say: Callable[[str], None]) -> None:
    """Tells the user why features are computed again, if the store has them from other library versions.

    Args:
      store: the store.
      key: the store key under which the features are missing.
      missing: digests of the photos.
      say: called with the line.
    """
    for old in reversed(store.related(key, library_versions.FIELD)):
        count = store.count(old, missing)
        if not count:
            continue
        photos = "1 photo" if count == 1 else f"{count} photos"
        before, now = library_versions.of_key(old), library_versions.of_key(key)
        if not before:
            say(
                f"features of {photos} were computed by an earlier version of this program, which did not note its "
                f"libraries; computing them again with {library_versions.told(now)}"
            )
        else:
            was, is_now = library_versions.differing(before, now)
            say(f"features of {photos} were computed with {was}; computing them again with {is_now}")
        return


def drop_oldest(store: Store, key: str) -> None:
    """Deletes features that are older than those of the previous library versions."""
    for old in store.related(key, library_versions.FIELD)[:-1]:
        count = store.drop(old)
        before = library_versions.told(library_versions.of_key(old)) or "an earlier version of this program"
        store.notes.append(f"{count} kept features that were computed with {before} were dropped ({store.path})")
