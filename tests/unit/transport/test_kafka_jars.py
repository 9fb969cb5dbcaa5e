"""The lock of Kafka's jars is held both ways: missing, extra and different jars are each named."""

import hashlib
from pathlib import Path

import pytest

from service.transport import kafka_jars
from service.transport.kafka_jars import KafkaJarsError


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    (tmp_path / "jars").mkdir()
    (tmp_path / "modules").mkdir()
    (tmp_path / "jars" / "broker-1.0.jar").write_bytes(b"broker")
    (tmp_path / "modules" / "client-2.0.jar").write_bytes(b"client")
    return tmp_path


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "jgo.lock.toml"
    path.write_text(
        "\n".join(
            f'[[dependencies]]\ngroupId = "g"\nartifactId = "{name}"\nversion = "{version}"\n'
            f'sha256 = "{hashlib.sha256(name.encode()).hexdigest()}"'
            for name, version in (("broker", "1.0"), ("client", "2.0"))
        )
    )
    return path


def test_verify_when_all_is_as_locked_then_every_jar_is_returned(installed: Path, lock: Path) -> None:
    assert [jar.name for jar in kafka_jars.verify(installed, lock)] == ["broker-1.0.jar", "client-2.0.jar"]


def test_verify_when_a_jar_is_missing_then_it_is_named(installed: Path, lock: Path) -> None:
    (installed / "modules" / "client-2.0.jar").unlink()
    with pytest.raises(KafkaJarsError, match=r"missing: client-2\.0\.jar\n.*make"):
        kafka_jars.verify(installed, lock)


def test_verify_when_a_jar_is_extra_then_it_is_named(installed: Path, lock: Path) -> None:
    (installed / "jars" / "stray-3.jar").write_bytes(b"")
    with pytest.raises(KafkaJarsError, match=r"extra: .*stray-3\.jar"):
        kafka_jars.verify(installed, lock)


def test_verify_when_a_byte_differs_then_the_jar_is_named_with_both_hashes(
    installed: Path, lock: Path
) -> None:
    (installed / "jars" / "broker-1.0.jar").write_bytes(b"brokes")
    with pytest.raises(
        KafkaJarsError, match=r"different: .*broker-1\.0\.jar \(sha256 \w{64}, locked \w{64}\)"
    ):
        kafka_jars.verify(installed, lock)


def test_verify_when_nothing_is_installed_then_setup_is_named(tmp_path: Path, lock: Path) -> None:
    with pytest.raises(KafkaJarsError, match="make setup"):
        kafka_jars.verify(tmp_path / "nowhere", lock)


def test_locked_when_a_hash_is_absent_then_the_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock.toml"
    path.write_text('[[dependencies]]\nartifactId = "a"\nversion = "1"\n')
    with pytest.raises(KafkaJarsError, match=r"a-1\.jar .* no sha256"):
        kafka_jars.locked(path)


def test_the_committed_lock_when_compared_with_the_installation_then_it_holds() -> None:
    assert len(kafka_jars.verify()) == len(kafka_jars.locked()) > 40
    assert not any("//" in line for line in kafka_jars.LOCK.read_text().splitlines())
