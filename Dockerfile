# Two stages: wheels are built in the first, the second carries only the interpreter and what runs.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY engine engine
COPY service service
RUN python -m venv /opt/gradwire && /opt/gradwire/bin/pip install --no-cache-dir ".[compiled]"

FROM python:3.11-slim
LABEL org.opencontainers.image.title="gradwire-server" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --create-home --home-dir /var/lib/gradwire --uid 10001 gradwire
COPY --from=build /opt/gradwire /opt/gradwire
ENV PATH=/opt/gradwire/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER gradwire
WORKDIR /var/lib/gradwire
VOLUME /var/lib/gradwire
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-P", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["gradwire-server"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "--data", "/var/lib/gradwire"]
