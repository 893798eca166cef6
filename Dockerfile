# The component alone in a small image: no shell, no package manager, no root.
#
#   docker build -t xmpp-private-storage .
#
# All settings come by environment, PRIVATE_STORAGE_COMPONENT_JID and so on, the secret best by a
# file: PRIVATE_STORAGE_COMPONENT_SECRET_FILE. compose.yaml shows it at work.

FROM docker.io/library/rust:1.95-slim-trixie AS build
# For the memory allocator; on ARM it must be told the largest page that a kernel there may have.
RUN apt-get -qq update && apt-get -qq -y --no-install-recommends install make
WORKDIR /build
COPY . .
RUN case $(uname -m) in aarch64) export JEMALLOC_SYS_WITH_LG_PAGE=16;; esac \
 && cargo build --release --locked --bin xmpp-private-storage \
 && install -D -t /out/usr/bin target/release/xmpp-private-storage \
 && install -d -m 0700 -o 65532 -g 65532 /out/data

FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /out /
# That image's user nonroot, as a number: platforms that refuse root cannot look into names.
USER 65532:65532
ENV PRIVATE_STORAGE_STORAGE_PATH=/data
VOLUME /data
WORKDIR /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["/usr/bin/xmpp-private-storage", "healthcheck"]
ENTRYPOINT ["/usr/bin/xmpp-private-storage"]
