# Images with egbot's engine and git: a job container, or the base of a self-hosted runner's image.
#
#   docker build --target cpu  --build-arg TORCH_INDEX=URL -t egbot:cpu .    # URL: PyTorch's index of CPU builds
#   docker build --target cuda -t egbot:cuda .                               # run with --gpus all
#
# The action runs egbot from its own commit and takes only the dependencies from here (EGBOT_ENGINE), so that an image
# that is a little older than the action does no harm. The sandbox inside is bubblewrap, which comes with egbot and needs
# namespaces; `egbot doctor` in the container says whether it has them, and with which flags it gets them. Where the engine's socket is
# mounted (-v /var/run/docker.sock:/var/run/docker.sock) it is Docker; no command-line client is needed for it.
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS base
# what BASE lacks, such as python3-venv for a plain Debian
ARG PACKAGES=""
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git ${PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
ENV EGBOT_ENGINE=/opt/egbot/bin/python \
    PATH=/opt/egbot/bin:${PATH} \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/egbot-source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY egbot egbot
COPY sandbox sandbox

FROM base AS cpu
ARG TORCH_INDEX=""
# torch comes first and alone, so that the pinned build is the one that everything else accepts
RUN python3 -m venv /opt/egbot \
    && python -m pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c constraints.txt torch \
    && python -m pip install -c constraints.txt ".[engine,github]" \
    && egbot --version
WORKDIR /work
CMD ["egbot", "--help"]

# The wheels of torch bring CUDA's libraries; the driver comes from the host, through NVIDIA's container toolkit.
FROM base AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN python3 -m venv /opt/egbot \
    && python -m pip install -c constraints.txt torch \
    && python -m pip install -c constraints.txt ".[engine,github]" \
    && egbot --version
WORKDIR /work
CMD ["egbot", "--help"]
