# ecr-keeper in an image of its own: docker build -t ecr-keeper .
# scripts/image builds and tries it; deploy/README.md says how to run it.

# Another builder needs Rust, a C compiler and CA certificates; another base needs glibc, as new as the builder's.
ARG BUILDER=rust:1-bookworm
ARG BASE=debian:bookworm-slim

FROM ${BUILDER} AS builder
WORKDIR /build
# The dependencies first, with nothing of our own: they take most of the time, and change only with these files.
COPY Cargo.toml Cargo.lock ./
COPY tests/lab/Cargo.toml tests/lab/
RUN mkdir -p src tests/lab/src \
    && echo 'fn main() {}' >src/main.rs \
    && touch src/lib.rs tests/lab/src/lib.rs \
    && cargo build --release --locked --bin ecr-keeper
COPY settings.yaml ./
COPY src src
# Cargo goes by file times, and COPY keeps ones that are older than the build above.
RUN find src -type f -exec touch {} + \
    && cargo build --release --locked --bin ecr-keeper

FROM ${BASE} AS runtime
# Two folders that any user may write to, so that `docker run --user` works: the ledger's, to keep in a volume, and the result
# files'. No VOLUME: each run without a name for it would leave one behind.
RUN groupadd --gid 65532 ecr-keeper \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /home/ecr-keeper --shell /usr/sbin/nologin ecr-keeper \
    && install -d -o 65532 -g 65532 -m 755 /home/ecr-keeper \
    && install -d -m 1777 /var/lib/ecr-keeper /results
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY LICENSE /usr/share/doc/ecr-keeper/
COPY --from=builder /build/target/release/ecr-keeper /usr/local/bin/

# Settings are found at /etc/ecr-keeper/settings.yaml, the ledger is kept in /var/lib/ecr-keeper. HOME is said for the users
# that --user makes up, who have none: .docker/config.json and .aws are looked for there.
ENV HOME=/home/ecr-keeper \
    XDG_CONFIG_HOME=/etc \
    XDG_STATE_HOME=/var/lib
WORKDIR /results
# As a number, because Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["ecr-keeper"]

# Last, so that a new commit makes nothing above anew.
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="ecr-keeper" \
      org.opencontainers.image.description="Keeps the images in Amazon ECR current with their upstream" \
      org.opencontainers.image.source="https://github.com/ecr-keeper/ecr-keeper" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
