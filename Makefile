# mesh: a service mesh of small daemons.
#
# Needs GNU make 4.3, g++ 12 and the Debian packages named below ("make deps"
# installs what is missing). "make help" lists the targets, "make V=1" shows
# the commands, "make SAN=address,undefined" (or thread) builds beside the
# plain build, in a folder of its own.

MAKEFLAGS   += --no-builtin-rules --warn-undefined-variables
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# Parallel by default; an explicit -j wins.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

PACKAGES_BUILD := g++ make pkg-config libevent-dev libssl-dev libnghttp2-dev libzmq3-dev \
  cppzmq-dev libprotobuf-dev protobuf-compiler libyaml-dev libre2-dev libcli11-dev \
  nlohmann-json3-dev libcurl4-openssl-dev libxxhash-dev libcap-dev python3 perl curl openssl
PACKAGES_TEST  := $(PACKAGES_BUILD) catch2 bats clang libclang-rt-14-dev clang-format \
  mandoc iproute2 nftables etcd-server etcd-client socat nghttp2-client python3-protobuf
PACKAGES_BENCH := $(PACKAGES_BUILD) haproxy nginx-light wrk nghttp2-client nghttp2-proxy

SAN  ?=
V    ?=
KEEP ?=
PREFIX  ?= /usr/local
DESTDIR ?=
comma := ,
B := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

CXX      ?= g++
# Line tables are enough for a backtrace; full debug information costs a third
# of the build's time.
CXXFLAGS ?= -O2 -g1
# g++ knows its maybe-uninitialized to be wrong under sanitizers; these see it themselves.
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Werror \
  $(if $(SAN),-Wno-maybe-uninitialized)
# Under __SANITIZE_THREAD__ protobuf's headers give a class more virtual functions
# than Debian's library was built with.
STANDARD := -std=c++20 -Ilib -I. -Itests -isystem $(B)/gen -MD -MP -fno-plt \
  $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -DMESH_SANITIZED) \
  $(if $(filter thread,$(SAN)),-U__SANITIZE_THREAD__)
LIBRARIES := -levent_core -lssl -lcrypto -lnghttp2 -lzmq -lprotobuf -lyaml -lre2 -lxxhash -lcurl -lcap -pthread
# Packed, relative relocations are 4 KB that each start reads, else 380.
LINK = $(CXX) -std=c++20 $(CXXFLAGS) $(if $(SAN),-fsanitize=$(SAN)) \
  -Wl,--as-needed -Wl,-z,pack-relative-relocs

include lib/layers.mk

# $(call say,WHAT,NAME)COMMAND: one short line, or the command itself with V=1.
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)';)

PROTOS   := $(sort $(shell find lib/api -name '*.proto'))
GEN_H    := $(PROTOS:lib/api/%.proto=$(B)/gen/%.pb.h) $(B)/gen/kinds_descriptors.h
GEN_O    := $(PROTOS:lib/api/%.proto=$(B)/gen/%.pb.o)
sources   = $(sort $(wildcard $(1)/*.cc) $(wildcard $(1)/*/*.cc))
objects   = $(patsubst %.cc,$(B)/obj/%.o,$(call sources,$(1)))
PROGRAMS := $(patsubst cmd/%/main.cc,%,$(sort $(wildcard cmd/*/main.cc)))
DEMO_PROGRAMS := $(patsubst contrib/demo/%.cc,$(B)/demo/%,$(wildcard contrib/demo/*.cc))
# Linked from the highest layer to the lowest; the group lets generated
# messages and support code name each other.
ARCHIVES := $(foreach m,$(LAYERS),$(if $(filter api,$(m))$(wildcard lib/$(m)/*.cc lib/$(m)/*/*.cc),$(B)/lib/$(m).a))
LINKED    = -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBRARIES)
UNITS    := $(foreach m,$(LAYERS) tests,$(if $(wildcard tests/unit/$(m)/*.cc),$(m)))
FUZZERS  := $(patsubst tests/fuzz/%.cc,%,$(sort $(wildcard tests/fuzz/*.cc)))

##@ Build

.PHONY: all
all: $(PROGRAMS:%=$(B)/%) ## Build the daemons and the mesh command into build/

.PHONY: deps
deps: ## Install the Debian packages that building, testing and the demo need
	@contrib/install-packages $(PACKAGES_TEST)

.PHONY: install
install: all ## Install programs, manual pages, units under PREFIX= (and DESTDIR=)
	@contrib/install-files '$(B)' '$(DESTDIR)' '$(PREFIX)'

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf build

##@ Check

.PHONY: test
test: ## Install what is missing, build, run all tests; ends with N passed, N failed
	@contrib/install-packages $(PACKAGES_TEST)
	@+$(MAKE) --no-print-directory SAN=$(SAN) tests
	@tests/run '$(B)'

.PHONY: tests
tests: all demo-programs unit-tests scenario-tests fuzzers ## Build all tests without running them

.PHONY: lint
lint: ## Layers, sizes, formatting, manual pages, units, commit hygiene
	@tests/lint/run $(foreach m,$(LAYERS),'$(m)=$(USES_$(m))=$(FOREIGN_$(m))')

.PHONY: demo
demo: ## Install what is missing, build, show the mesh at work (KEEP=1: leave it up)
	@contrib/install-packages $(PACKAGES_BUILD)
	@+$(MAKE) --no-print-directory all demo-programs
	@KEEP='$(KEEP)' contrib/demo/run '$(B)'

.PHONY: bench
bench: ## Cost per request beside HAProxy, nginx, nghttpx and Envoy; prints ratios
	@contrib/install-packages $(PACKAGES_BENCH)
	@+$(MAKE) --no-print-directory all bench-tools
	@tests/bench/run '$(B)'

.PHONY: bench-control
bench-control: ## The control plane under 1000 simulated forwarders: times, CPU, memory, bytes
	@contrib/install-packages $(PACKAGES_BUILD)
	@+$(MAKE) --no-print-directory $(B)/configd $(B)/discoveryd $(B)/test/bench-control
	@$(B)/test/bench-control '$(B)' $(or $(BENCH),--growth 10)

##@ Explore

.PHONY: graph
graph: ## Print the module graph, lowest layer first
	@$(foreach m,$(LAYERS),printf '%-10s <- %s\n' '$(m)' '$(USES_$(m))';)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^##@ /{printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z][a-z-]*:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@printf '\n%s\n' 'Each also with SAN=address,undefined or SAN=thread (sanitizers, built beside the' \
	  'plain build, in build/san-...), V=1 (show the commands), -jN.'

# ---- Below: pattern rules. Nothing in them names a file.

.PHONY: unit-tests scenario-tests fuzzers bench-tools demo-programs
demo-programs: $(DEMO_PROGRAMS)
unit-tests: $(UNITS:%=$(B)/test/unit-%)
scenario-tests: $(if $(wildcard tests/scenario/*.cc),$(B)/test/scenarios)
fuzzers: $(FUZZERS:%=$(B)/test/fuzz-%)
bench-tools: $(patsubst tests/bench/%.cc,$(B)/test/bench-%,$(wildcard tests/bench/*.cc))

# make unit-route: builds and runs one module's tests.
unit-%: $(B)/test/unit-%
	$(B)/test/unit-$*

$(B)/gen/%.pb.cc $(B)/gen/%.pb.h &: lib/api/%.proto
	$(call say,PROTO,$<)mkdir -p $(B)/gen && protoc -Ilib/api --cpp_out=$(B)/gen $<

# The messages of the configuration's kinds with their comments, as the bytes of an array.
KINDS := $(filter lib/api/istio/% lib/api/k8s/% lib/api/mesh/v1/%,$(PROTOS))
$(B)/gen/kinds_descriptors.h: $(KINDS)
	$(call say,PROTO,$(@F))mkdir -p $(@D) && \
	  protoc -Ilib/api --include_imports --include_source_info -o $(@:.h=.bin) $(KINDS) && \
	  od -An -v -tu1 $(@:.h=.bin) | sed -E 's/[0-9]+/&,/g' >$@

# Generated headers are system headers, so that they do not warn; -MD follows
# them all the same, and what lies under /usr is dropped again.

# Generated code is not ours to warn about; it is cold, so it is made small.
$(B)/gen/%.pb.o: $(B)/gen/%.pb.cc | $(GEN_H)
	$(call say,CXX,$*.pb.cc)$(CXX) $(CPPFLAGS) $(filter-out -O2,$(CXXFLAGS)) -Os -g0 $(STANDARD) -w -c -o $@ $<

# Tests run for seconds and are compiled often.
$(B)/obj/tests/unit/%.o $(B)/obj/tests/scenario/%.o $(B)/obj/tests/support/%.o: OPTIMIZE := -O1
OPTIMIZE :=

$(B)/obj/%.o: %.cc | $(GEN_H)
	$(call say,CXX,$<)mkdir -p $(@D) && $(CXX) $(CPPFLAGS) $(CXXFLAGS) $(OPTIMIZE) $(STANDARD) $(WARNINGS) -c -o $@ $<
	@sed -i 's: /usr/[^ ]*::g; /^\/usr\//d' $(@:.o=.d)

define archive_rule
$(B)/lib/$(1).a: $(if $(filter api,$(1)),$(GEN_O),$(call objects,lib/$(1)))
	$$(call say,AR,$(1))mkdir -p $$(@D) && rm -f $$@ && ar rcsT $$@ $$^
endef
$(foreach m,$(LAYERS),$(eval $(call archive_rule,$(m))))

define program_rule
$(B)/$(1): $(call objects,cmd/$(1)) $(ARCHIVES)
	$$(call say,LINK,$(1))$$(LINK) -o $$@ $(call objects,cmd/$(1)) $$(LINKED)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

SUPPORT := $(call objects,tests/support)
define unit_rule
$(B)/test/unit-$(1): $(call objects,tests/unit/$(1)) $(SUPPORT) $(ARCHIVES)
	$$(call say,LINK,unit-$(1))mkdir -p $$(@D) && $$(LINK) -o $$@ $(call objects,tests/unit/$(1)) $(SUPPORT) $$(LINKED)
endef
$(foreach m,$(UNITS),$(eval $(call unit_rule,$(m))))

$(B)/test/scenarios: $(call objects,tests/scenario) $(SUPPORT) $(ARCHIVES)
	$(call say,LINK,scenarios)mkdir -p $(@D) && $(LINK) -o $@ $(filter %.o,$^) $(LINKED)

# The demo's services know nothing of the mesh: they link none of it.
$(B)/demo/%: $(B)/obj/contrib/demo/%.o
	$(call say,LINK,$*)mkdir -p $(@D) && $(LINK) -o $@ $< -pthread

$(B)/test/bench-%: $(B)/obj/tests/bench/%.o $(ARCHIVES)
	$(call say,LINK,bench-$*)mkdir -p $(@D) && $(LINK) -o $@ $< $(LINKED)

# Fuzzers are built by clang with everything below them, in a tree of their own.
FUZZ_CXX ?= clang++
$(B)/test/fuzz-%: tests/fuzz/%.cc tests/fuzz/build $(foreach m,$(LAYERS),$(call sources,lib/$(m))) | $(GEN_H)
	$(call say,FUZZ,$*)mkdir -p $(@D) && FUZZ_CXX='$(FUZZ_CXX)' GEN='$(B)/gen' tests/fuzz/build $< $@

CPPFLAGS ?=
-include $(shell find $(B)/obj $(B)/gen -name '*.d' 2>/dev/null)
