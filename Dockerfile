# One image for every role. The environment is built where pip is, and run where nothing can be written.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
# `--build-arg LOCK=runtime-gpu` takes onnxruntime-gpu in place of onnxruntime.
ARG LOCK=runtime
COPY requirements/ requirements/
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --require-hashes -r "requirements/$LOCK.txt"
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY service/ service/
COPY policies/ policies/
COPY fix_configs/ fix_configs/
COPY deploy/ deploy/
# In place, so that the reference file, FIX dictionaries and models lie beside the code as in a checkout.
RUN /opt/venv/bin/pip install --no-deps --no-build-isolation -e . \
    && /opt/venv/bin/python -m compileall -q service policies

FROM ${BASE}
RUN groupadd --gid 10001 slipstream \
    && useradd --uid 10001 --gid slipstream --no-create-home --home-dir /var/lib/slipstream \
        --shell /usr/sbin/nologin slipstream \
    && useradd --uid 10002 --gid slipstream --no-create-home --home-dir /var/lib/slipstream \
        --shell /usr/sbin/nologin slipstream-console \
    && install -d -o slipstream -g slipstream -m 0750 /var/lib/slipstream /var/lib/slipstream/recording \
    # Where each role says that it is ready; nobody takes away another's word.
    && install -d -o slipstream -g slipstream -m 1770 /var/lib/slipstream/ready
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    SLIPSTREAM_ROLE=gateway SLIPSTREAM_RUN_DIR=/var/lib/slipstream
USER 10001:10001
# Journal, FIX store, recording and sockets; the only place that is written to.
WORKDIR /var/lib/slipstream
VOLUME /var/lib/slipstream
EXPOSE 9100
HEALTHCHECK --interval=5s --timeout=10s --start-period=90s --retries=3 \
    CMD ["sh", "-c", "exec slipstream health \"$SLIPSTREAM_ROLE\""]
ENTRYPOINT ["slipstream"]
CMD ["--help"]
