# Starling. `make run` builds and serves on http://localhost:8080; `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
PKGS := ./...

.PHONY: help run build test check fmt lint race e2e e2e-pages test-docs test-install picture bench nats-bench soak clean sdk apps check-dist sdk-test apps-check
.PHONY: ot-npm ot-vectors ot-fuzz ot-bench ot-sim

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## build everything and serve on http://localhost:8080, data in ./data
	./bin/starling serve --dev --apps --data ./data

build: ## build bin/starling
	$(GO) build -trimpath -o bin/starling ./cmd/starling

# Many tests wait for clocks, disks and elections: three packages at once keep two cores busy.
test: ## run all tests (under 10 minutes on 2 cores)
	$(GO) test -p 3 -timeout 9m $(PKGS)
	$(GO) test -timeout 5m -tags smallchunks ./yjs

bench: build ## measure, and write the result into docs/benchmarks.md
	./bin/starling bench --doc docs/benchmarks.md

SEEDS ?= 2000
soak: ## simulate SEEDS seeds on each engine (2,000 unless told), by hand
	$(GO) test -count=1 -timeout 170m -run 'TestMemory|TestHarsh|TestPebble' ./internal/sim -seeds $(SEEDS)
	STARLING_SOAK=$(or $(KILLS),40) $(GO) test -count=1 -timeout 60m -run 'TestKill|TestPowerCuts$$' ./eventlog/pebblelog ./cmd/starling
	$(GO) test -count=1 -timeout 60m -run TestNATS ./internal/sim -seeds 30
	STARLING_SOAK=1 $(GO) test -count=1 -timeout 30m -run 'TestCluster|TestConformanceOfACluster|TestRetry' ./eventlog/natslog

.PHONY: faults
faults: ## a cluster under faults, as root: SEEDS=20 SEED=1 FAULTS=6 RACE=1
	$(GO) test -count=1 -timeout 0 -v -run TestFaults ./internal/faulttest \
		-seeds $(if $(filter file,$(origin SEEDS)),20,$(SEEDS)) -seed $(or $(SEED),1) -faults $(or $(FAULTS),6) -nodes-race=$(if $(RACE),true,false)

nats-bench: ## measure the log on NATS JetStream and nodes on it, into docs/benchmarks.md
	NATS_BENCH=$(CURDIR)/docs/benchmarks.md $(GO) test -count=1 -run TestBenchTable -timeout 30m -v ./eventlog/natslog
	NATS_BENCH=$(CURDIR)/docs/benchmarks.md $(GO) test -count=1 -run TestBenchTable -timeout 10m -v ./internal/clustertest

# The tests of these run the built server as processes, which the detector does not see.
BY_PROCESS := cmd/starling|internal/clustertest|internal/faulttest|internal/natstest|internal/netlab
race: ## run the tests under the race detector
	GO=$(GO) tools/race.sh $$($(GO) list $(PKGS) | grep -vE '/($(BY_PROCESS))$$' | sort -r) # yjs, the longest, not alone at the end

fmt: ## format the Go code
	$(TOOL) gofumpt -w .

lint: ## format check, vet, staticcheck, errorlint
	@out=$$($(TOOL) gofumpt -l .); if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(TOOL) staticcheck $(PKGS)
	$(TOOL) go-errorlint -errorf=false $(PKGS)

check: lint race ## format, vet, staticcheck, errorlint, and the tests under -race

# The SDK and the browser tests need Node and npm's packages, the latter a Chromium
# (CHROMIUM=path names another than Debian's). Nothing else in this file does: what the
# binary embeds is kept in web/dist.
web/e2e/node_modules: web/e2e/package-lock.json
	cd web/e2e && npm ci --no-audit --no-fund
	@touch $@

web/sdk/node_modules: web/sdk/package-lock.json
	cd web/sdk && npm ci --no-audit --no-fund
	@touch $@

sdk: web/sdk/node_modules ## build the SDK, into web/dist as well, and print its size
	cd web/sdk && npm run --silent build && npm run --silent size

web/apps/node_modules: web/apps/package-lock.json
	cd web/apps && npm ci --no-audit --no-fund
	@touch $@

apps: web/apps/node_modules ## build the pages, into web/dist
	cd web/apps && npm run --silent build

apps-check: web/apps/node_modules ## type-check, lint and test the code of the pages
	cd web/apps && npm run --silent check && npm test

check-dist: web/sdk/node_modules web/apps/node_modules ## fail if web/dist is not what web/sdk and web/apps make
	cd web/sdk && npm run --silent stale
	cd web/apps && npm run --silent stale

sdk-test: build check-dist ## check and test the SDK, against the real server as well
	cd web/sdk && npm run --silent check && STARLING_TEST_BINARY=$(CURDIR)/bin/starling npm test
	cd web/sdk && npm run --silent build && npm run --silent size

e2e: build sdk-test apps-check web/e2e/node_modules ## test the SDK, and the pages in a real Chromium
	cd web/e2e && node --test --test-reporter=spec unit/*.test.js
	cd web/e2e && node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 *.test.js
	$(MAKE) e2e-pages

e2e-pages: build web/e2e/node_modules ## look at every page in a real Chromium: light and dark, narrow and wide, all open
	cd web/e2e && node --test --test-reporter=spec --test-concurrency=2 --test-timeout=600000 pages/*.test.js

test-docs: build web/e2e/node_modules web/sdk/node_modules ## run every block of code in the documentation
	cd web/e2e && node docs/run.js

test-install: build web/e2e/node_modules ## install the client into fresh Vite and Next applications, and use it in Chromium
	cd web/e2e && node --test --test-reporter=spec --test-concurrency=1 install/*.test.js

picture: build web/e2e/node_modules ## take the README's picture anew
	cd web/e2e && node picture.js ../../docs/images && node lab-picture.js ../../docs/images

clean: ## remove what was built
	rm -rf bin web/e2e/node_modules web/apps/node_modules web/sdk/node_modules web/sdk/dist

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

.PHONY: yjs-bench yjs-fuzz yjs-peer

yjs-peer: yjs/testdata/js/node_modules/.package-lock.json

yjs/testdata/js/node_modules/.package-lock.json: yjs/testdata/js/package-lock.json
	cd yjs/testdata/js && npm ci --no-audit --no-fund

yjs-bench: yjs-peer ## npm yjs and package yjs in turn, into docs/benchmarks.md (data: STARLING_TESTDATA)
	YJS_BENCH=1 $(GO) test -run TestBenchTable -count 1 -timeout 30m -v ./yjs

yjs-fuzz: yjs-peer ## edit together with npm yjs at random (DURATION=1h SEED=1 TAGS=)
	YJS_FUZZ=$(or $(DURATION),1h) YJS_SEED=$(SEED) $(GO) test -tags "$(TAGS)" -run TestAgainstYjs -count 1 -timeout 25h -v ./yjs
