"""`python -m seglight.export`: a run as a file that gives what the run gives, its card, its scores, its refusals."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from seglight import Predictor, compose, load_run
from seglight.config import resolve
from seglight.deploy import tracing
from seglight.export import export
from seglight.runs.run import Run
from tests.conftest import Command, new_run


def config(run: Path, *overrides: str) -> DictConfig:
    """What the command line composes."""
    ConfigStore.instance().store(name="run", node=Run(run).cfg.data, group="data")
    return compose(f"run={run}", *overrides, config_name="export")


def test_a_run_becomes_a_file_and_a_card(run_dir: Path, command: Command, tmp_path: Path) -> None:
    answer = command("export", f"run={run_dir}", "out=models/demo.onnx", "licence=apache-2.0")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "wrote: models/demo.onnx"
    assert "ran at 1 x 1, 64 x 96, 97 x 129, 130 x 75 pixels" in answer.stdout
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == ["demo.onnx", "demo.onnx.md"]
    run, predictor = load_run(run_dir), Predictor(tmp_path / "models" / "demo.onnx", threads=1)
    image = np.random.default_rng(0).integers(0, 256, (51, 70, 3), np.uint8)
    ours, exported = run.predict(image), predictor.predict(image)
    assert (ours.mask == exported.mask).all()
    np.testing.assert_allclose(ours.probabilities, exported.probabilities, atol=1e-5)
    assert (exported.classes, exported.palette) == (run.classes, run.palette)
    about = predictor.about
    assert about.scores["val/miou"] == run.summary["val/miou"]
    assert yaml.safe_load(about.config)["model_name"] == "unet_small"
    card = (tmp_path / "models" / "demo.onnx.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"] == "apache-2.0"
    for text in (*run.classes, "shapes", f"{run.summary['params']:,}", f"{run.summary['val/miou']:.4f}"):
        assert text in card


def test_int8_is_smaller_and_says_what_it_costs(
    run_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        export(config(run_dir, f"out={tmp_path}/plain.onnx"))
        export(config(run_dir, "int8=true", "calibration=4", f"out={tmp_path}/small.onnx"))
    assert (tmp_path / "small.onnx").stat().st_size < 0.5 * (tmp_path / "plain.onnx").stat().st_size
    cost = Predictor(tmp_path / "small.onnx", threads=1).about.int8
    assert cost["float32"] == pytest.approx(Run(run_dir).summary["val/miou"], abs=1e-4)  # the run's own evaluation
    assert (cost["images"], cost["split"]) == (4, "shapes val")
    said = f"{100 * (cost['int8'] - cost['float32']):+.2f} points"
    assert said in caplog.text
    assert said in (tmp_path / "small.onnx.md").read_text()


def test_int8_can_be_measured_on_other_data() -> None:
    cfg = resolve(compose("run=a_run", "int8=true", "data=voc", config_name="export"))
    assert (cfg.data.augment, cfg.data.name) == (None, "voc")


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["format=tflite"], "format=tflite: one of onnx, openvino, torch is needed"),
        (["out=net.pt"], r"out=net.pt: format=onnx is a file that ends in .onnx"),
        (["format=torch", "int8=true"], "int8=true: TorchScript has no int8"),
        (["sizes=[64]"], "sizes=.*expected pairs of height and width"),
        (["checkpoint=last", "output=mask"], "output=mask: one of logits, classes is needed"),
    ],
)
def test_what_cannot_be_asked_is_refused(overrides: list[str], says: str, run_dir: Path) -> None:
    with pytest.raises(ValueError, match=says):
        export(config(run_dir, *overrides))


def test_a_run_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    new_run(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"best\.ckpt does not exist"):
        export(config(tmp_path / "run"))


def test_nothing_is_written_where_the_file_is_wrong_or_the_disk_full(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"the one before")
    write = tracing.write_onnx

    def wrong(net: Any, path: Path, about: Any) -> None:
        other = copy.deepcopy(net)
        torch.nn.init.normal_(other.decoder.head.weight)
        write(other, path, about)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "net.onnx")

    for broken, says in ((wrong, r"at 1 x 1 pixels it .*; nothing was written"), (full, "No space left")):
        monkeypatch.setattr(tracing, "write_onnx", broken)
        with pytest.raises((ValueError, OSError), match=says):
            export(config(run_dir, f"out={tmp_path}/net.onnx"))
        assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
        assert (tmp_path / "net.onnx").read_bytes() == b"the one before"


class Hub(BaseHTTPRequestHandler):
    """What huggingface_hub asks of its server for a commit of small files."""

    received: list[tuple[str, str | None, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size + 2)[:-2]
            self.rfile.readline()
        type(self).received.append((self.path, self.headers.get("authorization"), body))
        answer: dict[str, Any] = {"commitUrl": f"http://{self.headers['host']}/me/net/commit/1", "commitOid": "1" * 40}
        if self.path.endswith("/create"):
            answer = {"url": f"http://{self.headers['host']}/me/net", "id": "me/net", "name": "me/net"}
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            answer = {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
        self.reply(200, json.dumps(answer).encode())

    def do_GET(self) -> None:
        self.reply(404, b"{}")

    def reply(self, code: int, content: bytes) -> None:
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def hub() -> Iterator[str]:
    """The address of a server that takes what is pushed."""
    Hub.received = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_push_to_hub_uploads_the_file_and_the_card_as_readme(run_dir: Path, hub: str, command: Command) -> None:
    line = ("export", f"run={run_dir}", "out=demo.onnx", "sizes=[[32,32]]", "push_to_hub=me/net")
    answer = command(*line, HF_ENDPOINT=hub, HF_TOKEN="hf_secret")
    assert answer.returncode == 0, answer.stderr
    assert f"pushed: {hub}/me/net" in answer.stdout
    assert {who for _, who, _ in Hub.received} == {"Bearer hf_secret"}
    commit = next(body for path, _, body in Hub.received if "/commit/" in path)
    files = [json.loads(line)["value"] for line in commit.splitlines()]
    assert [file["path"] for file in files if "path" in file] == ["demo.onnx", "README.md"]


def test_push_to_hub_says_who_is_not_logged_in(run_dir: Path, command: Command, tmp_path: Path) -> None:
    line = ("export", f"run={run_dir}", "out=demo.onnx", "sizes=[[32,32]]", "push_to_hub=me/net")
    answer = command(*line, HF_TOKEN="", HF_HOME=str(tmp_path / "home"), HF_TOKEN_PATH=str(tmp_path / "none"))
    assert answer.returncode == 1
    assert "you are not logged in to the Hugging Face Hub" in answer.stderr
