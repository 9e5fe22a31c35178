# Scans by the program trivy, as a function on AWS. From the project's folder:
#
#   make image FILE=infra/scanner.Dockerfile IMAGE=<account's registry>/crs-scanner:1
#
# BASE is AWS's image for functions in Python 3.11 or newer; TRIVY is any image that has the program where it is copied
# from, and nothing else of it is taken.
ARG BASE=amazon/aws-lambda-python:3.11
ARG TRIVY=aquasec/trivy:0.74.0

FROM ${TRIVY} AS trivy

FROM ${BASE} AS packages
COPY requirements.txt requirements-gateway.txt /
# Wheels alone: nothing is compiled, and nothing that compiles is needed. Of Chalice a function has two modules, as in
# the package of the others.
RUN python3 -m venv /opt/install \
 && /opt/install/bin/python -m pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      -r /requirements-gateway.txt \
 && mkdir -p /srv/task/chalice \
 && cp /opt/install/lib/python3*/site-packages/chalice/__init__.py /opt/install/lib/python3*/site-packages/chalice/app.py \
      /srv/task/chalice \
 && /opt/install/bin/python -m pip install --no-cache-dir --no-compile --require-hashes --only-binary :all: \
      --target /srv/task -r /requirements.txt \
 && cd /srv/task/botocore/data \
 && find . -mindepth 1 -maxdepth 1 -type d \
      ! -name dynamodb ! -name s3 ! -name sqs ! -name secretsmanager -exec rm -r {} + \
 && rm -rf /srv/task/bin /srv/task/boto3/data /srv/task/boto3/examples
COPY chalicelib /srv/task/chalicelib
COPY app.py /srv/task/
RUN rm -r /srv/task/chalicelib/host /srv/task/chalicelib/cli /srv/task/chalicelib/ports/embedded \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /srv -p /var /srv/task

FROM ${BASE}
COPY --from=trivy /usr/local/bin/trivy /usr/local/bin/trivy
COPY --from=packages /srv/task /var/task
WORKDIR /var/task
ENV CRS_SCANNER=trivy \
    CRS_SERVE_API=false \
    CRS_STACK=aws
CMD ["app.scans"]
