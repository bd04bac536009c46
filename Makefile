# What is tested, in one place. `make test` is everything; it installs with apt
# what is missing, where it may.

GO          ?= go
FLOOR       ?= go1.25.0
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.7.0
# Executions, not seconds: Go takes the end of the time for a failure now and then.
FUZZTIME    ?= 20000x
# Every module of the repository; the first is the one that users import.
MODULES     := . $(patsubst %/go.mod,%,$(wildcard integration/go.mod bench/go.mod))
NESTED      := $(filter-out .,$(MODULES))

export CGO_ENABLED := 1 # the race detector needs a C compiler

.PHONY: help test tools lint unit floor fuzz integration bench cover

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

test: tools lint unit floor fuzz integration ## everything

tools: ## install what the tests need and this machine lacks
	@sh .ci/tools

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'gofmt would change the files above'; exit 1; }
	@for m in $(MODULES); do echo "vet and staticcheck: $$m"; \
	  (cd $$m && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...) || exit 1; done

unit: ## the tests of the module that users import, with the race detector
	WXLOGIN_REQUIRE_TOOLS=1 $(GO) test -race ./...

floor: ## the same on the oldest Go that go.mod allows
	GOTOOLCHAIN=$(FLOOR) $(GO) version
	GOTOOLCHAIN=$(FLOOR) $(GO) test ./...

fuzz: ## every fuzz target for FUZZTIME, such as 20000x
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" sh .ci/fuzz

integration: ## nested modules: real servers, peers side by side
	@for m in $(NESTED); do echo "test: $$m"; \
	  (cd $$m && WXLOGIN_REQUIRE_ENGINES=1 $(GO) test -race -timeout 40m -p 1 ./...) || exit 1; done

bench: ## benchmarks of all modules
	@for m in $(MODULES); do (cd $$m && $(GO) test -run '^$$' -bench . -benchmem ./...) || exit 1; done

cover: ## statement coverage of the packages that users import
	$(GO) test -coverprofile=coverage.txt -coverpkg=./... ./...
	$(GO) tool cover -func=coverage.txt | tail -1
