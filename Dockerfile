# The operator's image: locked wheels only, checked by hash; nothing of the build stays in it.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /build && python -m venv --without-pip /opt/foreman-stacks
COPY requirements.txt hack/requirements-build.txt ./
RUN /build/bin/pip install --require-hashes -r requirements-build.txt \
 && /build/bin/pip --python /opt/foreman-stacks/bin/python install --require-hashes --only-binary :all: -r requirements.txt
COPY pyproject.toml README.md ./
COPY operator ./operator
# The simulator runs what it is sent and has no place in an image that runs in a cluster.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /build/bin/pip --python /opt/foreman-stacks/bin/python install --no-deps /wheels/foreman_stacks-*.whl \
 && rm -rf /opt/foreman-stacks/lib/python3.13/site-packages/foreman_simulator /opt/foreman-stacks/bin/foreman-simulator \
 && /opt/foreman-stacks/bin/foreman-stacks --help > /dev/null

FROM python:3.13-slim
LABEL org.opencontainers.image.title="foreman-stacks" \
      org.opencontainers.image.description="A Kubernetes operator that deploys systems of many hosts on Foreman, in order"
COPY --from=build /opt/foreman-stacks /opt/foreman-stacks
# Nothing is written at run time, so the root file system may be read-only.
ENV PATH=/opt/foreman-stacks/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
ENTRYPOINT ["foreman-stacks"]
CMD ["run"]
