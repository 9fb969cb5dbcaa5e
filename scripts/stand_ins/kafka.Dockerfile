# Stands in for apache/kafka where that cannot be pulled: the same release of Kafka, from the jars that
# `make setup` fetched and the Java runtime of .venv. Settings come from KAFKA_* as in Apache's image.
FROM python:3.11-slim-bookworm
RUN useradd --uid 1000 --create-home appuser \
    && install -d -o appuser -g root -m 0775 /var/lib/kafka/data /opt/kafka/config
COPY java/ /opt/java/
COPY jars/ /opt/kafka/libs/
COPY log4j2.properties /etc/kafka/docker/log4j2.properties
COPY kafka_launch.py /opt/kafka/launch.py
USER 1000:1000
EXPOSE 9092
VOLUME /var/lib/kafka/data
CMD ["python", "/opt/kafka/launch.py"]
