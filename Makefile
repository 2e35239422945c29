# Starling. `make run` builds and serves on http://localhost:8080; `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
PKGS := ./...

.PHONY: help run build test check fmt lint race bench soak clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

test: ## run all tests (under 10 minutes on 2 cores)
	$(GO) test -timeout 9m $(PKGS)

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

.PHONY: yjs-bench yjs-fuzz yjs-peer

yjs-peer: yjs/testdata/js/node_modules/.package-lock.json

yjs/testdata/js/node_modules/.package-lock.json: yjs/testdata/js/package-lock.json
	cd yjs/testdata/js && npm ci --no-audit --no-fund

yjs-bench: yjs-peer ## npm yjs and package yjs in turn, into docs/benchmarks.md (data: STARLING_DATA)
	YJS_BENCH=1 $(GO) test -run TestBenchTable -count 1 -timeout 30m -v ./yjs

yjs-fuzz: yjs-peer ## edit together with npm yjs at random (DURATION=1h SEED=1)
	YJS_FUZZ=$(or $(DURATION),1h) YJS_SEED=$(SEED) $(GO) test -run TestAgainstYjs -count 1 -timeout 25h -v ./yjs
