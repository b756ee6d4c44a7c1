"""`python -m label_image.demo`: a page in a real browser that labels what is dropped on it, and asks nothing of the network."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from label_image.classifier import Prediction
from label_image.demo.answers import LabelledPhoto, answer, escaped, html_of
from label_image.demo.choices import ClassifierCache, choices
from label_image.demo.guard import Guard
from label_image.errors import PhotoError, UserError
from tests.browser import DESKTOP, PHONE, open_page, serious, wider_than_the_screen
from tests.conftest import COLOURS, ROOT, children_s, run_module, write_photo

STARTED_S = 90  # gradio's import takes 3 to 10 s, TensorFlow's as long again

# Runs before anything else in the server's process: who is connected to or looked up, but for this machine, is written down.
_WATCH = """
import os, socket
def watched(function, name_of):
    def call(*words, **more):
        name = str(name_of(words))
        if name not in ("127.0.0.1", "localhost", "::1", "None", "0.0.0.0"):
            with open(os.environ["STRANGERS"], "a") as file:
                file.write(name + "\\n")
        return function(*words, **more)
    return call
def host(address):
    return address[0] if isinstance(address, tuple) else "127.0.0.1"
socket.getaddrinfo = watched(socket.getaddrinfo, lambda words: words[0])
class Socket(socket.socket):
    connect = watched(socket.socket.connect, lambda words: host(words[1]))
    connect_ex = watched(socket.socket.connect_ex, lambda words: host(words[1]))
socket.socket = Socket
"""


class Demo:
    """A running page."""

    def __init__(self, cwd: Path, scratch: Path, *words: str) -> None:
        (scratch / "site").mkdir(parents=True)
        (scratch / "site/sitecustomize.py").write_text(_WATCH)
        (scratch / "tmp").mkdir()
        self.strangers, self.scratch = scratch / "strangers", scratch
        env = {
            **os.environ, "PYTHONPATH": f"{scratch / 'site'}:{ROOT}", "STRANGERS": str(self.strangers),
            "TMPDIR": str(scratch / "tmp"), "GRADIO_ANALYTICS_ENABLED": "True",  # the page itself has to turn it off
        }  # fmt: skip
        command = [sys.executable, "-m", "label_image.demo", "--port=0", *words]
        with (scratch / "stderr").open("w") as stderr:
            self.process = subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=stderr, text=True)
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+) \(Ctrl-C stops it\)\n", line)
        assert found, line + (scratch / "stderr").read_text()
        self.url = found[1]

    @property
    def stderr(self) -> str:
        return (self.scratch / "stderr").read_text()

    def end(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        assert self.process.stdout
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def demo(trained, tmp_path_factory):
    """The page of the stand-in's exports."""
    running = Demo(trained, tmp_path_factory.mktemp("demo"))
    yield running
    running.end()


def drop(page, *files: Path, kind: str = "image/jpeg") -> None:
    """Drops files on the page, as a hand would; `kind` is what the browser calls their type."""
    contents = [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files]
    carried = page.evaluate_handle(
        """([files, type]) => {
            const carried = new DataTransfer();
            for (const [name, text] of files) {
                const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
                carried.items.add(new File([bytes], name, { type }));
            }
            return carried;
        }""",
        [contents, kind],
    )
    page.dispatch_event("#photos .upload-container", "drop", {"dataTransfer": carried})


def opened(page, demo, **how) -> None:
    open_page(page, demo.url, **how)
    page.get_by_role("button", name="Capture from camera").wait_for()


def test_a_photo_dropped_on_the_page_is_labelled_and_explained(demo, page, tmp_path):
    opened(page, demo)
    assert page.title() == "label_image"
    assert "It knows: cyan, magenta, yellow." in page.inner_text("#about")
    drop(page, write_photo(tmp_path / "my photo.jpg", COLOURS["cyan"], 5))
    page.wait_for_selector(".answer h2")
    assert page.inner_text(".answer h2").startswith("cyan ")
    assert page.get_by_alt_text("my photo.jpg").count() == 1
    heat_map = page.get_by_alt_text("The same photo in grey; in colour the evidence for cyan")
    assert heat_map.evaluate("image => image.naturalWidth") == 48
    assert page.locator(".bars tr").count() == 3
    assert re.search(r"The network took [\d.]+ ms, the heat map [\d.]+ ms\.", page.inner_text(".times"))


def test_several_photos_are_several_answers_and_what_is_no_photo_says_so(demo, page, tmp_path):
    (tmp_path / "text.jpg").write_text("this is not a picture")
    photos = [write_photo(tmp_path / f"{label}.jpg", COLOURS[label], 5) for label in ("yellow", "magenta")]
    opened(page, demo)
    drop(page, photos[0], tmp_path / "text.jpg", photos[1])
    page.wait_for_function("document.querySelectorAll('.answer').length == 3")
    said = page.locator(".answer").all_inner_texts()
    assert [text.split()[0] for text in said] == ["yellow", "text.jpg", "magenta"]
    assert page.inner_text(".unread p") == "This photo cannot be read: a text file: 'this is not a picture'."
    assert page.locator(".unread p").get_attribute("role") == "alert"
    assert demo.stderr == "starting the page; the first start takes some seconds\n"  # no traceback


def test_taking_the_photos_away_takes_the_answers_away(demo, page, tmp_path):
    opened(page, demo)
    drop(page, write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 5))
    page.wait_for_selector(".answer")
    page.get_by_role("button", name="Clear").click()
    page.wait_for_selector(".empty")
    assert page.locator(".answer").count() == 0


def test_a_photo_can_be_pasted(demo, page, tmp_path):
    opened(page, demo)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    Image.new("RGB", (30, 20), COLOURS["magenta"]).save(tmp_path / "a.png")
    page.evaluate(
        """async text => {
            const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
            await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
        }""",
        base64.b64encode((tmp_path / "a.png").read_bytes()).decode(),
    )
    page.get_by_role("button", name="Paste from clipboard").click()
    page.wait_for_selector(".answer h2")
    assert page.inner_text(".answer h2").startswith("magenta ")


def test_the_camera_takes_a_photo(demo, page):
    opened(page, demo)
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Capture from camera").click()
    page.get_by_role("button", name="Click to Access Webcam").click()
    page.wait_for_function(
        "document.querySelector('#photos video')?.videoWidth > 0 && document.querySelector('#photos video').currentTime > 0"
    )
    page.get_by_role("button", name="capture photo").click()
    page.wait_for_selector(".answer h2")
    assert page.inner_text(".answer h2").split()[0] in COLOURS
    assert page.locator("figure img").count() == 2


def test_another_export_can_be_chosen_and_labels_the_same_photo(demo, page, tmp_path):
    opened(page, demo)
    drop(page, write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 5))
    page.wait_for_selector(".answer h2")
    first = page.inner_text(".answer h2")
    page.get_by_label("Classifier").click()
    options = page.get_by_role("option").all_inner_texts()
    assert [text.strip("✓ \n") for text in options] == [
        "tf_files/retrained.tflite", "tf_files/retrained_graph.pb", "tf_files/saved_model",
    ]  # fmt: skip
    marked = page.evaluate("document.querySelector('.answer').dataset.old = 'yes'")
    assert marked == "yes"
    page.get_by_role("option", name="retrained_graph.pb").click()
    page.wait_for_function(
        "document.querySelector('.answer') && !document.querySelector('.answer').dataset.old", timeout=60_000
    )
    assert page.inner_text(".answer h2") == first
    assert page.locator("figure img").count() == 2


def test_a_hostile_name_is_only_text(tflite, page, tmp_path):
    name = "<img src=x onerror=document.title='owned'>${1+1}{{7}}.jpg"
    photo = write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 5)
    said = html_of(answer(str(photo), name, ClassifierCache().load(str(tflite))))
    page.set_content(said)
    assert page.locator("figcaption").first.inner_text() == name
    assert page.title() == ""
    assert "${" not in said
    assert "{{" not in said


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_use_the_page(demo, page, size, dark, tmp_path):
    opened(page, demo, size=size, dark=dark)
    assert serious(page) == []
    (tmp_path / "text.jpg").write_text("this is not a picture")
    drop(page, write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 5, (600, 400)), tmp_path / "text.jpg")
    page.wait_for_selector(".unread")
    page.get_by_role("button", name="Take a photo with the camera").wait_for()
    assert serious(page) == []
    assert wider_than_the_screen(page) == 0
    nameless = "[...document.querySelectorAll('button, input, select, a')].filter(e => e.checkVisibility() && !(e.ariaLabel || e.innerText || e.labels?.length)).map(e => e.outerHTML)"
    assert page.evaluate(nameless) == []
    luminance = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (sum(luminance) < 200) == dark


def test_ctrl_c_ends_it_quietly_and_nothing_is_left_or_asked(trained, page, tmp_path):
    demo = Demo(trained, tmp_path / "demo")
    opened(page, demo)
    drop(page, write_photo(tmp_path / "private.jpg", COLOURS["cyan"], 5))
    page.wait_for_selector(".answer")
    assert list((demo.scratch / "tmp").rglob("private.jpg"))
    assert demo.end() == 0
    assert demo.stderr == "starting the page; the first start takes some seconds\n"
    assert not list((demo.scratch / "tmp").rglob("private.jpg"))
    assert not demo.strangers.exists(), demo.strangers.read_text()


def test_the_page_is_for_this_machine_only(demo):
    port = int(demo.url.rsplit(":", 1)[1])
    addresses = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=2).close()
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def asked(demo, path="/", method="GET", body=None, **headers):
    """The status of one request, and the headers and text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", int(demo.url.rsplit(":", 1)[1]), timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    with contextlib.closing(connection):
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace")


def upload(demo, name, data, **headers):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--x--\r\n' % (name, data)
    headers = {"Content_Type": "multipart/form-data; boundary=x", "Content_Length": str(len(body)), **headers}
    return asked(demo, "/gradio_api/upload", "POST", body, **headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.com"},
        {"Host": "evil.com", "Origin": "http://evil.com"},
        {"Host": "127.0.0.1.evil.com:7860"},
        {"Host": "localhost@evil.com"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Origin": "http://evil.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "file://"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_another_page_may_neither_read_nor_upload_nor_label(demo, headers):
    before = sorted((demo.scratch / "tmp").rglob("*"))
    answers = [asked(demo, path, **headers) for path in ("/", "/config", "/gradio_api/info")]
    answers.append(upload(demo, b"evil.jpg", b"evil", **headers))
    join = {"Content_Type": "application/json", "Content_Length": "2", **headers}
    answers.append(asked(demo, "/gradio_api/queue/join", "POST", b"{}", **join))
    answers.append(asked(demo, "/config", "OPTIONS", Access_Control_Request_Method="POST", **headers))
    for status, given, text in answers:
        assert status == 403, text
        assert not [name for name in given if name.lower().startswith("access-control")]
        assert text.startswith(
            ("this page can be used from this machine only", "requests from another page are not allowed")
        )
    assert sorted((demo.scratch / "tmp").rglob("*")) == before


def test_this_machine_may_under_each_of_its_names(demo):
    port = demo.url.rsplit(":", 1)[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost:9000"):  # the last is a tunnel's
        for origin in ({}, {"Origin": f"http://{host}"}):
            assert asked(demo, "/config", Host=host, **origin)[0] == 200
    assert asked(demo, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200  # a link on a page leads here
    status, _, text = upload(demo, b"good.jpg", b"good")
    assert (status, text.count("good.jpg")) == (200, 1)


def test_what_is_too_much_or_of_no_known_length_or_not_for_the_page_is_refused_unread(demo):
    assert asked(demo, "/gradio_api/upload", "POST", Content_Length="3000000000")[0] == 413
    assert asked(demo, "/gradio_api/upload", "POST", Transfer_Encoding="chunked")[0] == 411
    for path in ("/gradio_api/process_recording", "/gradio_api/proxy=http://127.0.0.1:1/"):
        assert asked(demo, path, "POST", Content_Length="0")[0] == 403


def test_uploads_are_bounded_in_their_sum_and_make_room_for_others(tmp_path):
    def status(size, path="/gradio_api/upload"):
        sent = []

        async def send(message):
            sent.append(message)

        async def app(scope, receive, send):
            (tmp_path / f"new{len(list(tmp_path.iterdir()))}").write_bytes(bytes(size))
            await send({"type": "http.response.start", "status": 200, "headers": []})

        headers = [(b"host", b"localhost"), (b"content-length", str(size).encode())]
        scope = {"type": "http", "path": path, "headers": headers}
        with pytest.raises(StopIteration):  # nothing in it waits, and the browser's loop runs in this thread
            Guard(app, tmp_path, 1000)(scope, None, send).send(None)
        return sent[0]["status"]

    assert [status(size) for size in (1001, 600, 600, 400, 1)] == [413, 200, 413, 200, 413]
    os.utime(tmp_path / "new0", (1, 1))  # old by now
    assert status(500) == 200
    assert not (tmp_path / "new0").exists() or (tmp_path / "new0").stat().st_size == 500


@pytest.mark.parametrize(
    ("suffix", "kind"), [("tiff", ""), ("bmp", "application/octet-stream"), ("webp", ""), ("avif", "")]
)
@pytest.mark.parametrize("way", ["dropped", "chosen"])
def test_a_photo_is_taken_whatever_the_browser_calls_its_type(demo, page, tmp_path, suffix, kind, way):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (64, 48), COLOURS["magenta"]).save(path)
    opened(page, demo)
    if way == "dropped":
        drop(page, path, kind=kind)
    else:
        page.wait_for_function("!document.querySelector('#photos input[type=file]').accept")
        page.set_input_files(
            "#photos input[type=file]", {"name": path.name, "mimeType": kind, "buffer": path.read_bytes()}
        )
    page.wait_for_selector(".answer h2")
    assert page.inner_text(".answer h2").startswith("magenta ")
    assert page.get_by_alt_text(path.name).evaluate("image => image.naturalWidth") == 64


def test_what_is_no_photo_has_the_command_lines_reason_whatever_its_type(demo, page, tmp_path, label_image, tflite):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 and so on")
    said = label_image(f"--graph={tflite}", "a.pdf", "a.pdf").stdout.splitlines()[1].removeprefix("error: ")
    opened(page, demo)
    drop(page, tmp_path / "a.pdf", kind="application/pdf")
    page.wait_for_selector(".unread")
    assert page.inner_text(".unread p") == f"This photo cannot be read: {said}."


def test_help_answers_at_once_and_imports_nothing_heavy(tmp_path):
    (tmp_path / "probe.py").write_text(
        "import sys\nfrom label_image.demo.cli import main\ntry:\n    main(['--help'])\nfinally:\n"
        "    assert not {'gradio', 'numpy', 'PIL', 'tensorflow', 'ai_edge_litert'} & set(sys.modules)\n"
    )
    start = children_s()
    done = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: python -m label_image.demo [--flag=value ...]\n")
    assert children_s() - start < 5


def test_a_missing_gradio_is_one_line_with_the_command(tmp_path):
    (tmp_path / "probe.py").write_text(
        "import importlib.util, sys\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'gradio' else find(name, *rest)\n"
        "from label_image.demo.cli import main\nsys.exit(main([]))\n"
    )
    done = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert done.returncode == 2
    assert (
        done.stderr
        == "label_image.demo: the page needs gradio, which is not installed: pip install 'tensorflow-for-poets[demo]'\n"
    )


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run_module("label_image.demo", f"--port={port}", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"label_image.demo: cannot open a page on port {port}: address already in use; give")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [],
            "cannot find a trained classifier: there is neither tf_files/retrained.tflite nor tf_files/retrained_graph.pb",
        ),
        (["--graph=none.tflite"], "cannot use none.tflite: no such file"),
        (["--labels=a.txt"], "--labels needs --graph"),
        (["daisy.jpg"], "'daisy.jpg' is not a flag; drop photos on the page"),
        (["--port=70000"], "--port=70000 is out of range: give 0 to 65535"),
    ],
)
def test_what_can_not_be_meant_is_one_line(words, said, tmp_path):
    done = run_module("label_image.demo", *(words if "--port=70000" in words else ["--port=0", *words]), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"label_image.demo: {said}")
    assert done.stderr.count("\n") == 1


def test_the_choices_are_the_exports_in_tf_files_and_the_one_named(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained)
    assert choices("") == ["tf_files/retrained.tflite", "tf_files/retrained_graph.pb", "tf_files/saved_model"]
    assert choices("other.tflite")[:2] == ["other.tflite", "tf_files/retrained.tflite"]
    monkeypatch.setattr("label_image.model_kinds.table.is_installed", lambda package: package != "tensorflow")
    assert choices("") == ["tf_files/retrained.tflite"]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot find a trained classifier"):
        choices("")
    assert choices("x.tflite") == ["x.tflite"]


def test_a_classifier_that_is_trained_anew_is_opened_anew(tflite, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(tflite.read_bytes())
    cache = ClassifierCache()
    first = cache.load(str(path))
    assert cache.load(str(path)) is first
    os.utime(path, ns=(1, 1))
    assert cache.load(str(path)) is not first
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        cache.load(str(path))


@pytest.mark.shared
def test_a_network_without_a_map_labels_and_says_why_there_is_none(shared_data):
    folder = shared_data / "retrained/keras_potato_tflite"
    cache = ClassifierCache(str(folder / "2.tflite"), str(folder / "labels.txt"))
    loaded = cache.load(str(folder / "2.tflite"))
    assert loaded.explainer is None
    assert "no exact heat map for" in loaded.note
    given = answer(str(folder / "images/healthy_leaf.jpg"), "healthy_leaf.jpg", loaded)
    assert given.prediction.top(1)[0][0] in loaded.classifier.metadata.labels
    assert html_of(given).count("<img") == 1


def test_an_answer_is_never_said_to_be_surer_than_it_is():
    scores = np.array([0.99999, 0.00001], np.float32)
    said = html_of(
        LabelledPhoto("a.jpg", Prediction("a.jpg", ("x", "y"), scores, 0.0004), np.zeros((4, 4, 3), np.uint8))
    )
    assert "&gt; 99.9 %" in said or "> 99.9 %" in said
    assert "100" not in re.sub(r"width:[\d.]+%|base64,[^\"]*", "", said)
    assert "0.4 ms" in said


def test_an_error_is_escaped():
    error = PhotoError("a text file", "'<script>'")
    said = html_of(LabelledPhoto("<b>.jpg", Prediction("", (), np.zeros(0, np.float32), 0.0, error)))
    assert "<script>" not in said
    assert "<b>" not in said
    assert escaped("a${b}`\\") == "a&#36;&#123;b&#125;&#96;&#92;"


@pytest.mark.shared
def test_a_daisy_dropped_on_the_page_is_called_a_daisy(flowers, page, shared_data, tmp_path):
    demo = Demo(flowers, tmp_path / "demo")
    try:
        opened(page, demo)
        assert re.search(
            r"Of \d+ photos that it was not trained on, it labelled \d+% correctly", page.inner_text("#about")
        )
        unseen = sorted((shared_data / "flower_photos/daisy").glob("*.jpg"))[60]  # not one of the 30 it was trained on
        drop(page, unseen)
        page.wait_for_selector(".answer h2")
        assert page.inner_text(".answer h2").startswith("daisy ")
        assert page.get_by_alt_text("The same photo in grey; in colour the evidence for daisy").count() == 1
        assert serious(page) == []
    finally:
        assert demo.end() == 0
    assert not demo.strangers.exists()
