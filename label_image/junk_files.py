"""Recognises what file managers and systems leave in folders of photos; the one list for training and labelling."""

from __future__ import annotations

_JUNK = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information",  # Windows
    "__macosx", "icon\r", "@eadir", "lost+found",  # macOS, Synology, Linux
}  # fmt: skip


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or left by a file manager.

    >>> is_junk(".DS_Store"), is_junk("Thumbs.db"), is_junk("daisy.jpg")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in _JUNK
