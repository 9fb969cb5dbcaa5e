"""Descriptors that are closed twice: the second close hits nobody."""

import errno
import os
import socket
from pathlib import Path

import pytest

from service.fix.plugs import Plugs


def opened() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_number_when_its_socket_is_closed_inside_then_nobody_gets_it_before_it_is_closed_again() -> None:
    before = opened()
    plugs, line = Plugs(), socket.socket()
    number = line.fileno()
    with plugs.instead_of_sockets():
        line.close()
    with socket.socket() as other:
        assert other.fileno() != number
        os.close(number)  # the engine's second close
        other.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
    plugs.release()
    assert opened() == before


def test_number_when_the_engine_does_not_close_it_again_then_it_is_given_back() -> None:
    before = opened()
    plugs, line = Plugs(), socket.socket()
    with plugs.instead_of_sockets():
        line.close()
    assert opened() != before
    plugs.release()
    assert opened() == before


def test_number_when_somebody_has_it_after_the_second_close_then_release_leaves_it_alone() -> None:
    plugs, line = Plugs(), socket.socket()
    number = line.fileno()
    with plugs.instead_of_sockets():
        line.close()
    os.close(number)
    with socket.socket() as other:
        assert other.fileno() == number
        plugs.release()
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM


def test_number_when_somebody_was_quicker_then_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugs, line, taken = Plugs(), socket.socket(), []
    fstat = os.fstat

    def late(number: int) -> os.stat_result:
        try:
            return fstat(number)
        except OSError:
            taken.append(os.open(os.devnull, os.O_RDONLY))
            raise

    with plugs.instead_of_sockets():
        line.close()
        monkeypatch.setattr(os, "fstat", late)
    monkeypatch.undo()
    assert "in use again already" in caplog.text
    plugs.release()
    for number in taken:
        os.close(number)


def test_line_when_no_descriptor_is_left_then_it_is_cut_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none_left(name: str) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", none_left)
    plugs, cut = Plugs(), False
    with plugs.instead_of_sockets():
        cut = True
    plugs.release()
    assert cut
    assert "may close a descriptor of somebody else" in caplog.text
