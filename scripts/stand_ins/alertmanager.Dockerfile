# Stands in for prom/alertmanager where that cannot be pulled: a real server, the one installed on this machine.
FROM python:3.11-slim-bookworm
RUN install -d -o 65534 -g 65534 /alertmanager
COPY server /bin/alertmanager
COPY share/ /usr/share/prometheus/alertmanager/
COPY wget /usr/local/bin/wget
USER 65534:65534
WORKDIR /alertmanager
VOLUME /alertmanager
ENTRYPOINT ["/bin/alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
