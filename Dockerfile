# Both commands and nothing else: no shell, an unprivileged user. Build with
# "make image". The tests do not build this file, because the machines they run
# on have no Docker engine.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
    -ldflags="-s -w -X main.version=${VERSION}" -o /out/ ./cmd/worker ./cmd/enqueue

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /
COPY --from=build /out/worker /out/enqueue /
ENV ZONEINFO=/zoneinfo.zip \
    LONGHAUL_HTTP_ADDR=0.0.0.0:8080
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["/worker", "health"]
ENTRYPOINT ["/worker"]
CMD ["run"]
