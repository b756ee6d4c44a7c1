"""A `.pth` is read as arrays, and one that tries to do anything else is refused."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrain.formats.torch_pickle import read_state


class Storage:
    """A stand-in for a torch storage: an array under a key."""

    def __init__(self, key, values):
        self.key, self.values = key, values


class Tensor:
    """Pickles itself as torch does: a call of torch._utils._rebuild_tensor_v2."""

    def __init__(self, storage, offset, size, stride):
        self.arguments = (storage, offset, size, stride, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        kind = "LongStorage" if thing.values.dtype == np.int64 else "FloatStorage"
        return ("storage", getattr(sys.modules["torch"], kind), thing.key, "cpu", len(thing.values), None)


@pytest.fixture
def pth(monkeypatch):
    """Writes a state dict (name -> Tensor) as torch 1.5 did, without torch."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in ("FloatStorage", "LongStorage"):
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        """Is referred to only by name."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    vars(inner)["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    vars(torch)["_utils"] = inner
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)

    def write(state, *, instead=None):
        """`instead`: (which of the five pickles, what is in its place)."""
        storages = {t.arguments[0].key: t.arguments[0] for t in state.values()}
        pickles = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, OrderedDict(state), sorted(storages)]
        if instead:
            pickles[instead[0]] = instead[1]
        file = io.BytesIO()
        for thing in pickles:
            Pickler(file, protocol=2).dump(thing)
        for _, storage in sorted(storages.items()):
            file.write(struct.pack("<q", len(storage.values)) + storage.values.tobytes())
        return file.getvalue()

    return write


@pytest.fixture
def state():
    flat = Storage("1", np.arange(12, dtype=np.float32))
    return {
        "plain": Tensor(flat, 0, (3, 4), (4, 1)),
        "transposed": Tensor(flat, 0, (4, 3), (1, 4)),
        "part": Tensor(flat, 5, (2, 2), (4, 1)),
        "count": Tensor(Storage("2", np.array([7], np.int64)), 0, (), ()),
    }


class Harm:
    """Asks the unpickler to run a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_tensors_come_out_with_their_strides_offsets_and_dtypes(pth, state):
    found = read_state(pth(state))
    assert found["plain"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert found["transposed"].tolist() == found["plain"].T.tolist()
    assert found["part"].tolist() == [[5, 6], [9, 10]]
    assert (found["count"].item(), found["count"].shape, found["count"].dtype) == (7, (), np.int64)
    assert found["plain"].dtype == np.float32


def test_each_tensor_has_memory_of_its_own(pth, state):
    found = read_state(pth(state))
    found["plain"][:] = -1
    assert found["transposed"].tolist()[0] == [0, 4, 8]


@pytest.mark.parametrize("place", range(5))
def test_a_file_that_tries_to_run_a_command_is_refused_without_running_it(pth, state, tmp_path, place):
    harm = tmp_path / "harm"
    with pytest.raises(ValueError, match=r"(posix|nt)\.system is not allowed"):
        read_state(pth(state, instead=(place, Harm(harm))))
    assert not harm.exists()


@pytest.mark.parametrize(
    "name", ["builtins eval", "torch.nn Module", "torch load", "collections Counter", "torch HalfStorage"]
)
def test_no_other_name_than_the_five_is_allowed(pth, state, name):
    module, word = name.split()
    with pytest.raises(ValueError, match="is not allowed"):
        read_state(f"c{module}\n{word}\n.".encode() + pth(state))


@given(st.data())
def test_a_file_cut_anywhere_is_refused(data):
    whole = pickle.dumps({"a": 1}, 2) * 3 + pickle.dumps(OrderedDict(), 2) + pickle.dumps([], 2)
    assert read_state(whole) == {}
    with pytest.raises(ValueError):
        read_state(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_a_file_cut_inside_its_arrays_is_refused(pth, state):
    whole = pth(state)
    with pytest.raises(ValueError, match="incomplete"):
        read_state(whole[:-1])


@pytest.mark.parametrize(
    "tensor",
    [
        (0, (3, 5), (5, 1)),
        (12, (1,), (1,)),
        (-1, (1,), (1,)),
        (0, (2, 2), (-1, 1)),
        (0, (1 << 40,), (0,)),
        (0, (2,), (1, 1)),
    ],
    ids=["too long", "behind", "before", "backwards", "a bomb of one number", "sizes without strides"],
)
def test_a_tensor_outside_its_storage_is_refused(pth, tensor):
    with pytest.raises(ValueError):
        read_state(pth({"x": Tensor(Storage("1", np.arange(12, dtype=np.float32)), *tensor)}))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a newer form", b"<html>login</html>", pickle.dumps([1, 2]) * 5])
def test_a_file_of_another_format_is_refused(data):
    with pytest.raises(ValueError):
        read_state(data)
