# The digest is that of the multi-architecture index, so one pin serves every build machine. No ARG has it: Dependabot reads
# FROM alone (https://github.com/dependabot/dependabot-core/issues/2057). Go cross-compiles: nothing of the build is emulated.
FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26.9-bookworm@sha256:d9c68c2c51161e12fd77e4c6320687c9cd86e1af1e3ad6e6cd63ff970641453c AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go-build \
    GOCACHE=/go-build CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" -o /image/d1-rewind .
# scratch has neither: certificates for api.cloudflare.com, and a /tmp for SQLite's temporary files.
RUN mkdir -p /image/etc/ssl/certs /image/licenses && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && mkdir -m 1777 /image/tmp \
    && cp LICENSE /image/licenses/ \
    && GOOS=$TARGETOS GOARCH=$TARGETARCH .ci/licenses >/image/licenses/THIRD_PARTY_LICENSES

# No USER: a Docker action has to run as root, GitHub's documentation says, because the runner mounts
# a workspace and GITHUB_OUTPUT files that belong to a user whom no image can know.
FROM scratch
LABEL org.opencontainers.image.title="d1-rewind" \
      org.opencontainers.image.description="Migrations for Cloudflare D1 that can be rewound" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/d1-rewind/d1-rewind"
COPY --from=build /image /
# Tells the program that only the workspace outlives the run.
ENV D1_REWIND_CONTAINER=1
ENTRYPOINT ["/d1-rewind"]
