# Stands in for prom/prometheus where that cannot be pulled: a real server, the one installed on this machine.
FROM python:3.11-slim-bookworm
RUN install -d -o 65534 -g 65534 /prometheus
COPY server /bin/prometheus
COPY wget /usr/local/bin/wget
USER 65534:65534
WORKDIR /prometheus
VOLUME /prometheus
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
