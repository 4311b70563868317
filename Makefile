# Two commands do everything on a fresh machine with Go >= 1.21 and make:
#
#   make demo     real events through a streams application, with a crash in the middle
#   make test     vet, the import rules, and every unit, property and short simulation test
#
# The rest: check (what a change must pass), build, lint, race, fuzz, sim, chaos, interop, bench, generate, clean.

# go.mod names a newer Go than many machines have: let an older one fetch it.
export GOTOOLCHAIN := auto

GO      ?= go
BIN     := bin/leat
LINT    := $(GO) tool -modfile=tools/go.mod golangci-lint
BROKER  ?= leat
CLIENT  ?= all
WITHIN  ?= 0s
FUZZTIME ?= 20s
FUZZFOR  ?= 0
SEEDS   ?= 3000
GO_FILES = git ls-files --cached --others --exclude-standard '*.go'

.PHONY: help demo test check build vet unit arch race lint format generate generate-diff fuzz sim chaos interop interop-streams bench bench-quick bench-formats clean

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

demo: build
	$(BIN) demo

test: vet unit

check: generate-diff format lint arch race

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/leat

vet:
	$(GO) vet ./...

# -short leaves out what needs minutes or other programs: chaos and bench runs, long simulations.
unit:
	$(GO) test -short -timeout 15m ./...

arch:
	$(GO) test -count=1 ./test/arch

# Without the packages that compare single-threaded code with recordings: they take a quarter of the time and find no races.
race:
	$(GO) test -race -short -timeout 20m $$($(GO) list ./... | grep -v -e /test/streams$$ -e /test/differ$$ -e /test/arch$$)

lint:
	$(LINT) run ./...

# Fails with the names of files that the formatter would change; `go fmt ./...` mends them.
format:
	@out=$$($(GO_FILES) | xargs -r $$($(GO) env GOROOT)/bin/gofmt -l); \
	if [ -n "$$out" ]; then echo "not formatted:"; echo "$$out"; exit 1; fi

generate:
	$(GO) generate ./...

# What is generated is committed: generating again must change nothing.
generate-diff:
	@before=$$(git diff --binary | cksum); $(MAKE) -s generate; after=$$(git diff --binary | cksum); \
	if [ "$$before" != "$$after" ]; then git diff --stat; echo "generated files are stale: commit the result of 'make generate'"; exit 1; fi

# Every fuzz target in the tree, one after the other, FUZZTIME each; what does not begin within FUZZFOR seconds is skipped (0: nothing
# is). One that fails leaves its input under testdata/fuzz; a run that ends badly without one, as when the machine is so slow that a
# worker is taken for hung, is done once more.
fuzz:
	@failed=; end=$$(($$(date +%s) + $(FUZZFOR))); for f in $$(git grep -l --untracked '^func Fuzz' -- '*_test.go'); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
	    if [ $(FUZZFOR) -gt 0 ] && [ $$(date +%s) -gt $$end ]; then echo "SKIP fuzz $$t: the time was over"; continue; fi; \
	    echo "fuzz $$(dirname $$f) $$t"; \
	    run="$(GO) test -run ^$$ -fuzz ^$$t\$$ -fuzztime $(FUZZTIME) ./$$(dirname $$f)"; out=$$($$run 2>&1); status=$$?; echo "$$out"; \
	    if [ $$status != 0 ] && ! echo "$$out" | grep -q 'Failing input written to'; then echo "once more: $$t"; $$run; status=$$?; fi; \
	    [ $$status = 0 ] || failed="$$failed $$t"; \
	  done; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

# Simulated disks that lose, tear and corrupt what was not flushed: SEEDS histories of each kind, more than `make test` runs.
sim:
	LEAT_SIM_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 30m ./test/sim/...
	LEAT_CRASH_SEEDS=$(SEEDS) $(GO) test -count=1 -timeout 30m -run TestCrash ./internal/metadata

# Streams applications on our broker and on Apache Kafka, killed and restarted.
interop-streams: build
	LEAT_KAFKA=1 $(GO) test -count=1 -timeout 35m ./test/streamsapp

# kill -9 under load, linearizability through restarts, a full disk. LEAT_CHAOS_SECONDS sets how long each load runs.
chaos: build
	LEAT_CHAOS=1 LEAT_CHAOS_BROKER=$(BROKER) $(GO) test -count=1 -v -timeout 40m ./test/chaos

# Foreign clients, each from its own registry: make interop CLIENT=kcat; BROKER=kafka runs them against Apache Kafka; WITHIN=10m
# skips what does not fit into that time.
interop: build
	$(GO) run ./test/interop -broker $(BROKER) -client $(CLIENT) -within $(WITHIN)

# Ours and Apache Kafka in the same run, and the ratios; as Markdown in bin/benchmarks.md. About twenty minutes on a
# machine with nothing else to do; bench-quick takes a few.
bench: build
	$(GO) run ./test/bench -markdown bin/benchmarks.md

bench-quick: build
	$(GO) run ./test/bench -quick

# The row formats beside other libraries, in a module of its own so that these stay out of go.mod. Half a minute.
bench-formats:
	cd test/bench/formats && $(GO) run -mod=mod .

clean:
	rm -rf bin
