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

OT_JS := ot/testdata/js
OT_SEED ?= 1
OT_TIME ?= 1h

ot-npm: ## install the npm packages that package ot is compared with
	cd $(OT_JS) && npm ci --no-audit --no-fund

ot-vectors: ## make fresh test vectors for package ot: OT_SEED=2
	cd $(OT_JS) && node vectors.mjs --seed $(OT_SEED) --n 400
	$(GO) test -run TestVectors -v ./ot

ot-fuzz: ## compare package ot with the npm types: OT_TIME=1h OT_SEED=1
	OT_FUZZ=$(OT_TIME) OT_SEED=$(OT_SEED) $(GO) test -timeout 0 -run TestDifferential -v ./ot

ot-bench: ## measure the npm packages and package ot in turn, into docs/benchmarks.md
	OT_BENCH=$(CURDIR)/docs/benchmarks.md $(GO) test -timeout 20m -run TestBenchTable -v ./ot

ot-sim: ## simulate clients of package ot: OT_SEEDS=20000
	OT_SEEDS=$(or $(OT_SEEDS),20000) $(GO) test -timeout 0 -run TestSimulation -v ./ot
