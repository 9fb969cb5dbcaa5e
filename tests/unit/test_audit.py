"""The audit of the locks: what it asks, and that it does not call unasked what it could not ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts import audit


class Advisories(BaseHTTPRequestHandler):
    """Answers as OSV documents its batch query, in the order of the questions: a hole in jinja2 2.4.1."""

    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        queries = json.loads(self.rfile.read(length))["queries"]
        type(self).asked = queries
        hole = {"vulns": [{"id": "PYSEC-2014-8", "modified": "2023-01-01T00:00:00Z"}]}
        known = {"package": {"ecosystem": "PyPI", "name": "jinja2"}, "version": "2.4.1"}
        body = json.dumps({"results": [hole if query == known else {} for query in queries]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/querybatch"
        server.shutdown()
        thread.join()


LOCK = """\
jinja2==2.4.1 \\
    --hash=sha256:00
    # via something
Litestar[standard]==2.25.0 ; python_version < '4' \\
    --hash=sha256:01
"""


def test_every_pin_of_a_lock_is_asked(tmp_path: Path) -> None:
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text(LOCK)
    two.write_text(LOCK.partition("Lite")[0])
    assert audit.pins([one, two]) == {
        ("jinja2", "2.4.1"): "one.txt, two.txt",
        ("litestar", "2.25.0"): "one.txt",
    }


def test_a_version_with_a_known_hole_is_named(osv: str) -> None:
    found = audit.advisories([("litestar", "2.25.0"), ("jinja2", "2.4.1")], osv)
    assert found == {("jinja2", "2.4.1"): ["PYSEC-2014-8"]}


def test_an_accepted_advisory_is_left_out(osv: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit.ACCEPTED, "PYSEC-2014-8", "no template of ours is anybody else's")
    assert audit.advisories([("jinja2", "2.4.1")], osv) == {}


@pytest.mark.parametrize(("required", "status"), [("", 0), ("1", 1)])
def test_without_anybody_to_ask_it_says_so_and_fails_where_it_must_not_be_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: str, status: int
) -> None:
    monkeypatch.setenv("SLIPSTREAM_REQUIRE_ADVISORIES", required)
    monkeypatch.setattr(audit, "withdrawn", lambda *_: [])
    assert audit.main("http://127.0.0.1:9/v1/querybatch") == status
    assert "NOT AUDITED for known holes" in capsys.readouterr().out


def test_a_lock_that_the_index_contradicts_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], osv: str
) -> None:
    said = "warning: `requests==2.32.0` is yanked"
    monkeypatch.setattr(audit, "withdrawn", lambda lock, _: [said] if lock.name == "dev.txt" else [])
    assert audit.main(osv) == 1
    assert capsys.readouterr().err.startswith(f"dev.txt: {said}")
    assert len(Advisories.asked) > 100
