# Starling. `make run` builds and serves on http://localhost:8080; `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
PKGS := ./...

.PHONY: help run build test check fmt lint race bench soak clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## build everything and serve on http://localhost:8080, data in ./data
	./bin/starling serve --dev --apps --data ./data

build: ## build bin/starling
	$(GO) build -trimpath -o bin/starling ./cmd/starling

test: ## run all tests (under 10 minutes on 2 cores)
	$(GO) test -timeout 9m $(PKGS)

bench: build ## measure, and write the result into docs/benchmarks.md
	./bin/starling bench --doc docs/benchmarks.md

SEEDS ?= 2000
soak: ## simulate SEEDS seeds on each engine (2,000 unless told), by hand
	$(GO) test -count=1 -timeout 170m -run 'TestMemory|TestHarsh|TestPebble' ./internal/sim -seeds $(SEEDS)

race: ## run all tests under the race detector
	$(GO) test -race -short -timeout 15m $(PKGS)

fmt: ## format the Go code
	$(TOOL) gofumpt -w .

lint: ## format check, vet, staticcheck, errorlint
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(TOOL) staticcheck $(PKGS)
	$(TOOL) go-errorlint -errorf=false $(PKGS)

check: lint race ## format, vet, staticcheck, errorlint, and the tests under -race

clean: ## remove what was built
	rm -rf bin
