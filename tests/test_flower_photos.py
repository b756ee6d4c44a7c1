"""The flower photos of the tutorials, from a server of our own: whole or not at all."""

from __future__ import annotations

import io
import tarfile

import pytest

from label_image.errors import RunError, UserError
from retrain import flower_photos
from tests.test_download import serve, status, web  # noqa: F401 - a fixture

FEW = {"daisy": 2, "tulips": 3}


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(flower_photos, "COUNTS", FEW)


def archive_of(counts, *more):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        names = [f"flower_photos/{label}/{number}.jpg" for label, count in counts.items() for number in range(count)]
        for name in ("flower_photos/LICENSE.txt", *names, *more):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    return data.getvalue()


def test_the_photos_come_whole_with_their_licence_and_leave_nothing_else(tmp_path, web, capsys):  # noqa: F811
    data = archive_of(FEW)
    web.answers = [serve(data, stop=100), serve(data)]
    out = flower_photos.fetch_flowers(tmp_path / "tf_files" / "flowers", web.url)
    assert web.ranges == [None, "bytes=100-"]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "LICENSE.txt", "daisy/0.jpg", "daisy/1.jpg", "tulips/0.jpg", "tulips/1.jpg", "tulips/2.jpg",
    ]  # fmt: skip
    assert [path.name for path in out.parent.iterdir()] == ["flowers"]


def test_photos_that_are_there_are_not_touched_and_nobody_is_asked(tmp_path, web):  # noqa: F811
    (tmp_path / "flowers").mkdir()
    with pytest.raises(UserError, match="already exists") as caught:
        flower_photos.fetch_flowers(tmp_path / "flowers", web.url)
    assert (caught.value.exit_status, web.ranges) == (2, [])


@pytest.mark.parametrize("more", [{}, {"daisy": 2, "tulips": 2}])
def test_an_archive_of_something_else_is_refused_and_not_unpacked(tmp_path, web, more):  # noqa: F811
    web.answers = [serve(archive_of(more))]
    with pytest.raises(RunError, match="does not contain the flower photos") as caught:
        flower_photos.fetch_flowers(tmp_path / "flowers", web.url)
    assert "delete it" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["flower_photos.tgz"]


def test_an_archive_that_leads_outside_is_refused(tmp_path, web):  # noqa: F811
    web.answers = [serve(archive_of(FEW, "../harm"))]
    with pytest.raises(RunError, match="leads outside"):
        flower_photos.fetch_flowers(tmp_path / "here" / "flowers", web.url)
    assert not (tmp_path / "harm").exists()


def test_the_command_says_what_to_type_next_or_what_went_wrong(tmp_path, web, monkeypatch, capsys):  # noqa: F811
    web.answers = [status(404)]
    monkeypatch.setattr(flower_photos.fetch_flowers, "__defaults__", (web.url,))
    out = tmp_path / "flowers"
    assert flower_photos.main(["--out", str(out)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("flower_photos: cannot download flower_photos.tgz from ")
    assert error.count("\n") == 1
    web.answers = [serve(archive_of(FEW))]
    assert flower_photos.main(["--out", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"5 photos of 2 classes in {out}\npython -m retrain --image_dir {out}\n")
    assert flower_photos.main(["--out", str(out)]) == 2
