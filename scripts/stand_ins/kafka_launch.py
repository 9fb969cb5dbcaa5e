"""Start Kafka on the settings in ``KAFKA_*``, named as in Apache's image: KAFKA_A_B sets a.b."""

import os
import subprocess
from pathlib import Path

JAVA = ["/opt/java/bin/java", "-Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties"]
CLASSES = ["-cp", "/opt/kafka/libs/*"]
PROPERTIES = Path("/opt/kafka/config/server.properties")
NOT_SETTINGS = {"KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_OPTS"}


def name_of(variable: str) -> str:
    """Three underscores are a dash, two an underscore, one a dot."""
    name = variable.removeprefix("KAFKA_").lower()
    return name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")


settings = {
    name_of(variable): value
    for variable, value in os.environ.items()
    if variable.startswith("KAFKA_") and variable not in NOT_SETTINGS
}
PROPERTIES.write_text("".join(f"{name}={value}\n" for name, value in sorted(settings.items())))
tool = [*JAVA, *CLASSES, "kafka.tools.StorageTool", "format", "--ignore-formatted"]
subprocess.run([*tool, "--cluster-id", os.environ["CLUSTER_ID"], "--config", str(PROPERTIES)], check=True)
heap = os.environ.get("KAFKA_HEAP_OPTS", "").split()
server = [*JAVA, *heap, "-XX:+UseSerialGC", *CLASSES, "kafka.Kafka", str(PROPERTIES)]
os.execv(server[0], server)  # noqa: S606 - stops on the SIGTERM that is sent to us
