# The companion with its environment, as `make env` makes it, and JupyterLab on port 8888:
#   docker build -t lhas . && docker run --rm -it -p 8888:8888 lhas
#   docker run --rm lhas make judge
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 reader && mkdir /companion && chown reader /companion
USER reader
WORKDIR /companion
COPY --chown=reader . .
RUN make env && "$PWD/.venv/bin/python" -m pip cache purge
EXPOSE 8888
CMD ["make", "lab", "LAB_ARGS=--ip=0.0.0.0 --no-browser"]
