SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
IMAGE ?= longhaul
FUZZTIME ?= 10s
# Most tests wait more than they compute: as many as this run at once in a package.
PARALLEL ?= 8
LINT := go tool -modfile=tools/go.mod golangci-lint

.PHONY: help
help: ## list these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## summarize this repository's own pages; needs no key and no Redis
	@go run ./cmd/enqueue summarize --dev docs README.md

.PHONY: test
test: deps ## every test, with the race detector, against a real redis-server
	@CGO_ENABLED=1 go test -race -shuffle=on -count=1 -parallel=$(PARALLEL) -timeout=30m ./...

.PHONY: check
check: format tidy vet fix lint build ## everything that CI checks before it runs the tests

.PHONY: ci
ci: ## what CI runs: check and test, each phase timed
	@bash .ci/run

.PHONY: build
build: ## compile everything, and both commands into bin/
	@go build ./...
	mkdir -p bin
	go build -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: fmt
fmt: ## format, order imports and modernize in place
	@go fix ./...
	$(LINT) fmt

.PHONY: lint
lint: ## golangci-lint, built from source on first use (some minutes)
	@$(LINT) config verify
	$(LINT) run

.PHONY: e2e
e2e: deps ## only the end-to-end tests: real commands, killed and restarted
	@CGO_ENABLED=1 go test -race -shuffle=on -count=1 -parallel=$(PARALLEL) -timeout=30m -v ./internal/e2e/...

.PHONY: chaos
chaos: deps ## every fault a worker must survive, some 20 minutes; CHAOS_SEED repeats a run
	@cd internal/chaos
	go test -tags=chaos -count=1 -parallel=12 -timeout=60m

.PHONY: corpus
corpus: corpusdeps ## read and summarize hundreds of real documents, some 10 minutes
	@go test -tags=corpus -count=1 -timeout=30m -v ./internal/corpus

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (10s)
	@mapfile -t targets < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort)
	if [[ $${#targets[@]} -eq 0 ]]; then
		echo 'no fuzz target found' >&2
		exit 1
	fi
	for target in "$${targets[@]}"; do
		file=$${target%%:*}
		name=$${target##* }
		printf '%s %s\n' "$$(dirname "$$file")" "$$name"
		go test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1s "$$(dirname "$$file")"
	done

.PHONY: bench
bench: benchdeps ## the measurements that the pages under docs/ cite
	@go test ./internal/bench -run='^$$' -bench=. -benchtime=1x -timeout=60m -v

.PHONY: image
image: ## the container image; needs a running Docker engine
	@if ! docker info >/dev/null 2>&1; then
		echo 'make image: no Docker engine answers on this machine, so no image can be built here' >&2
		exit 1
	fi
	docker build --build-arg VERSION=$(VERSION) --tag $(IMAGE):$(VERSION) .

# The steps of check, without which CI fails.

.PHONY: format
format:
	@unformatted=$$(gofmt -l .)
	if [[ -n $$unformatted ]]; then
		printf 'not formatted (run make fmt):\n%s\n' "$$unformatted" >&2
		exit 1
	fi

.PHONY: tidy
tidy:
	@go mod tidy -diff
	cd tools
	go mod tidy -diff

.PHONY: vet
vet:
	@go vet ./...
	go vet -tags=chaos ./internal/chaos/...
	go vet -tags=corpus ./internal/corpus/...

.PHONY: fix
fix:
	@go fix -diff ./...
	go fix -diff -tags=chaos ./internal/chaos/...
	go fix -diff -tags=corpus ./internal/corpus/...

# What the tests need beside Go: a redis-server to run against, and for the race
# detector a C compiler with its headers. Nothing is skipped for want of them.
.PHONY: deps
deps:
	@missing=()
	if ! command -v redis-server >/dev/null; then
		missing+=(redis-server)
	fi
	if ! "$$(go env CC)" -x c -o /dev/null - <<<$$'#include <stdlib.h>\nint main(void) { return 0; }' 2>/dev/null; then
		missing+=(gcc libc6-dev)
	fi
	if [[ $${#missing[@]} -eq 0 ]]; then
		exit 0
	fi
	if [[ $$(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
		printf 'The tests need: %s\n' "$${missing[*]}" >&2
		printf 'On Debian or Ubuntu: sudo apt-get install %s\n' "$${missing[*]}" >&2
		printf 'On macOS: brew install redis, xcode-select --install\n' >&2
		exit 1
	fi
	printf 'installing what the tests need: %s\n' "$${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null

# The programs that documents are compared with, a browser for the report, and packages
# with documents. The office programs are large, so make test does without.
.PHONY: corpusdeps
corpusdeps: deps
	@if command -v soffice >/dev/null && command -v pandoc >/dev/null && command -v pdftotext >/dev/null && command -v chromium >/dev/null && [[ -d /usr/share/doc/debian-policy ]]; then
		exit 0
	fi
	packages=(poppler-utils pandoc libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui
		debian-policy developers-reference debian-faq maint-guide bash-doc zsh-doc octave-doc gnuplot-doc graphviz-doc valgrind
		docbook-xsl-doc-pdf ghostscript-doc nettle-dev r-doc-pdf manpages manpages-dev manpages-de manpages-fr manpages-ja
		chromium fonts-dejavu-core)
	if [[ $$(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
		printf 'The corpus needs: %s\n' "$${packages[*]}" >&2
		printf 'On Debian or Ubuntu: sudo apt-get install %s\n' "$${packages[*]}" >&2
		exit 1
	fi
	printf 'installing the corpus and what it is compared with\n'
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "$${packages[@]}" >/dev/null

# What reading documents is measured beside, and on.
.PHONY: benchdeps
benchdeps: deps
	@if command -v pandoc >/dev/null && command -v pdftotext >/dev/null && [[ -f /usr/share/doc/debian-policy/policy.pdf.gz ]]; then
		exit 0
	fi
	if [[ $$(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
		printf 'The measurements need: sudo apt-get install pandoc poppler-utils debian-policy\n' >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends pandoc poppler-utils debian-policy >/dev/null
