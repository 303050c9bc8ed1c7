# The CPU image: docker build -t mobilevision . && docker run --rm --shm-size=2g mobilevision segment trainer.max_epochs=1
# Wheels with CUDA are left out by TORCH_INDEX=<an index of CPU wheels>: --build-arg TORCH_INDEX=…
FROM python:3.12-slim

ARG TORCH_INDEX=""
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 MOBILEVISION_CACHE=/results/cache

COPY pyproject.toml constraints.txt README.md LICENSE mobilevision.py /source/
COPY backbones /source/backbones
COPY heads /source/heads
COPY tasks /source/tasks
COPY conf /source/conf
RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --constraint /source/constraints.txt "/source[onnx,plots]" \
    && rm -rf /source \
    && useradd --create-home user \
    && mkdir /results && chown user /results

# Everything is written below /results: results in /results/outputs, the generated scenes in /results/data.
WORKDIR /results
USER user
ENTRYPOINT ["mobilevision"]
CMD ["segment", "--help"]
