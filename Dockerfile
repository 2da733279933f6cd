# docs/container.md says how to use it. Everything is pinned and hashed; the build needs the network, the image does not.
ARG PYTHON=3.12

FROM python:${PYTHON}-alpine AS build
RUN apk add --no-cache binutils
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/meteorograph && \
    python -m pip --python /opt/meteorograph/bin/python install --no-cache-dir --no-compile --require-hashes \
        -r requirements/build.txt -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip --python /opt/meteorograph/bin/python install --no-cache-dir --no-compile --no-build-isolation --no-deps . && \
    python -m pip --python /opt/meteorograph/bin/python uninstall -y -q hatchling setuptools wheel
# Of Babel's locale data, those of the languages that the pages have: 1 MB of 34.
RUN cd /opt/meteorograph/lib/python*/site-packages && for file in babel/locale-data/*.dat; do \
        name=$(basename $file .dat); [ $name = root ] || [ $name = en ] || [ -d meteorograph/locale/$name ] || rm $file; \
    done
# A package brings compiled files.
RUN find /opt/meteorograph -name __pycache__ -prune -exec rm -r {} +
# Symbols for debuggers are a third of the packages.
RUN find /opt/meteorograph -name '*.so*' -type f -exec strip --strip-unneeded {} +

FROM python:${PYTHON}-alpine
RUN adduser -D -H -u 10001 meteorograph && mkdir -p /srv/weather/data && chown -R meteorograph /srv/weather
COPY --from=build /opt/meteorograph /opt/meteorograph
ENV PATH=/opt/meteorograph/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000
WORKDIR /srv/weather
VOLUME /srv/weather/data
USER meteorograph
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8000/livez"]
STOPSIGNAL SIGTERM
CMD ["meteorograph", "serve"]
