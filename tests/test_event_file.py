"""Event files: the checksum against RFC 3720 and tensorboard's, the records read back by tensorboard's own reader."""

from __future__ import annotations

import numpy as np
import pytest

from retrain.formats.event_file import EventFile, crc32c


@pytest.mark.parametrize(
    ("data", "checksum"),
    [  # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_checksum_is_that_of_the_standard(data, checksum):
    assert crc32c(data) == checksum


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 4095, 4096, 4097, 4099, 4100, 8192, 20_001])
def test_the_checksum_is_tensorboards_at_every_length(size):
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c as theirs

    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == theirs(data)


def test_tensorboards_reader_reads_what_was_added(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event

    path = tmp_path / "events.out.tfevents.1.here"
    file = EventFile(path)
    for step in range(3):
        event = Event(step=step)
        event.summary.value.add(tag="t" * 3000 * step, simple_value=step / 2)
        file.add(event)
    file.close()
    first, *rest = EventFileLoader(str(path)).Load()
    assert first.file_version == "brain.Event:2"
    assert [(event.step, len(event.summary.value[0].tag)) for event in rest] == [(0, 0), (1, 3000), (2, 6000)]
