# The image of the three programs. `cargo xtask image` builds it; `cargo xtask image --check` looks after what it can without
# an engine. Which registry the two bases come from is the platform's matter: give full names, with digests, as --build-arg.
#
# The toolchain of rust-toolchain.toml, on the Debian of BASE, so that the programs find the C library that they were linked to.
ARG RUST=rust:1.95.0-bookworm
# Distroless with libc: no shell, no package manager; CA certificates; a user `nonroot` (65532).
ARG BASE=distroless/base-nossl-debian12:nonroot

FROM ${RUST} AS build
WORKDIR /src
ENV CARGO_INCREMENTAL=0

# Dependencies, in a layer of their own: it is made anew only when a manifest, the lock or the toolchain changes. Every member's
# manifest must be here, and a stub of its code.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY bin/api/Cargo.toml bin/api/
COPY bin/billing-service/Cargo.toml bin/billing-service/
COPY bin/ingest/Cargo.toml bin/ingest/
COPY bin/invoice-cron/Cargo.toml bin/invoice-cron/
COPY crates/billing-domain/Cargo.toml crates/billing-domain/
COPY crates/billing-nats/Cargo.toml crates/billing-nats/
COPY crates/billing-postgres/Cargo.toml crates/billing-postgres/
COPY crates/billing-redis/Cargo.toml crates/billing-redis/
COPY crates/billing-runtime/Cargo.toml crates/billing-runtime/
COPY crates/billing-s3/Cargo.toml crates/billing-s3/
COPY crates/billing-testing/Cargo.toml crates/billing-testing/
COPY crates/billing-typst/Cargo.toml crates/billing-typst/
COPY crates/billing-vault/Cargo.toml crates/billing-vault/
COPY xtask/Cargo.toml xtask/
RUN mkdir -p crates/billing-domain/benches/rating \
    && echo 'fn main() {}' > crates/billing-domain/benches/rating/main.rs \
    && for member in bin/* xtask; do mkdir -p $member/src && echo 'fn main() {}' > $member/src/main.rs; done \
    && for member in crates/* bin/api bin/ingest bin/invoice-cron; do mkdir -p $member/src && touch $member/src/lib.rs; done \
    && cargo build --locked --release --bin billing-service

# The three programs, in one file under three names: most of what they are made of they share. What is copied may be older than
# the stubs, and cargo goes by the time of change.
COPY bin bin
COPY crates crates
COPY migrations migrations
RUN find bin crates -name '*.rs' -exec touch {} + \
    && cargo build --locked --release --bin billing-service \
    && mkdir -p /programs /libraries/$(uname -m)-linux-gnu \
    && cp /lib/$(uname -m)-linux-gnu/libgcc_s.so.1 /libraries/$(uname -m)-linux-gnu/ \
    && strip -o /programs/billing-service target/release/billing-service \
    && for program in api ingest invoice-cron; do ln -s billing-service /programs/$program; done

FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="billing-service" \
      org.opencontainers.image.description="Usage, prices and invoices of an SMS gateway: api, ingest, invoice-cron" \
      org.opencontainers.image.licenses="LicenseRef-Proprietary" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE}"
# What the programs are made of, in CycloneDX; `cargo xtask image --sbom` writes it.
COPY target/image/sbom.cdx.json /usr/local/share/billing-service/sbom.cdx.json
COPY --from=build /programs/ /usr/local/bin/
# All that the programs need besides libc: 0.1 MB, where the base that has it brings 9 MB with it.
COPY --from=build /libraries/ /usr/lib/
# By number, so that Kubernetes can see that it is not root. Nothing is written: the root may be read-only.
USER 65532:65532
WORKDIR /
EXPOSE 3020 9464
CMD ["api"]
