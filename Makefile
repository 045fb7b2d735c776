# The goals a person needs; each says here in one line what it does, and `make help` prints that.
# Goals that build first install what is missing (apt, with sudo when not root).

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# make demo: the Hub to use; empty means a local one.
HUB ?=
# make install
PREFIX ?= /usr/local
DESTDIR ?=
# make test SUITES="pattern ...": only these end-to-end suites, with a build but no unit tests
SUITES ?=
# make soak: how long; make fuzz: how long for each of its cases; both: which run it is
SOAK_SECONDS ?= 3600
FUZZ_SECONDS ?= 600
# make simulate: how many seeds, from which on
SEEDS ?= 10000
FIRST_SEED ?= 1
SEED ?= $(shell date +%s)

RELEASE_FLAGS := -c release --static-swift-stdlib

.PHONY: help
help: ## this text
	@echo 'ModelFS: Hugging Face Hub revisions as directories.'
	@echo
	@echo 'Begin with: make demo      (a few minutes the first time)'
	@echo
	@sed -nE 's/^([a-z-]+):.*## (.*)$$/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r goal text; do printf '%-19s %s\n' "$$goal" "$$text"; done

.PHONY: deps
deps: ## install the system packages and the Python environment that are missing
	@scripts/bootstrap.sh
	@scripts/venv.sh >/dev/null

.PHONY: build
build: ## build everything for debugging, into .build/debug
	@scripts/bootstrap.sh
	swift build

.PHONY: release
release: ## build the programs for use, into .build/release
	@scripts/bootstrap.sh
	swift build $(RELEASE_FLAGS) --product modelfs
	swift build $(RELEASE_FLAGS) --product modelfs-keeper
	swift build $(RELEASE_FLAGS) --product modelfs-hub
	swift build $(RELEASE_FLAGS) --product modelfs-predictor

.PHONY: test
test: ## run all tests: style, units, real mounts, official clients (under 20 minutes)
	@scripts/bootstrap.sh chromium
	@scripts/test.sh $(SUITES)

.PHONY: demo
demo: release ## show it on a real model; HUB=https://huggingface.co uses the real Hub
	@scripts/demo.sh "$(HUB)"

# make bench: another size of the models, and of those that come over the shaped network
BENCH_MEGABYTES ?= 512
BENCH_COLD_MEGABYTES ?= 512

.PHONY: bench
bench: bench-bars bench-store ## measure all beside what else there is, into docs/PERFORMANCE.md
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/bench.py --bin .build/release
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/xet.py --bin .build/release
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/predictor.py --bin .build/release
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/pull.py --bin .build/release

.PHONY: bench-bars
bench-bars: release ## measure the bars of reading and mapping: BENCH_MEGABYTES=2048 for large ones
	@scripts/bootstrap.sh rclone squashfuse squashfs-tools erofs-utils
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/bars.py --bin .build/release \
		--megabytes $(BENCH_MEGABYTES) --cold-megabytes $(BENCH_COLD_MEGABYTES)

.PHONY: bench-store
bench-store: ## measure the chunk store alone, into docs/PERFORMANCE.md
	@scripts/bootstrap.sh
	swift build $(RELEASE_FLAGS) --product store-bench
	@python=$$(scripts/venv.sh) && "$$python" Benchmarks/store.py --bin .build/release

.PHONY: bench-trees
bench-trees: ## measure gradient-boosted trees beside xgboost, into docs/PERFORMANCE.md
	@scripts/bootstrap.sh
	swift build $(RELEASE_FLAGS) --product tree-bench
	@python=$$(scripts/venv.sh) && \
		"$$python" -m pip install --quiet --requirement scripts/requirements-bench.txt && \
		"$$python" Benchmarks/trees.py --bin .build/release --write

.PHONY: bench-takeover
bench-takeover: release ## hold 1,000 kills and 50 upgrades to their stalls; on a machine at rest
	@python=$$(scripts/venv.sh) && for case in kills upgrades; do \
		MODELFS_TAKEOVER_KILLS=1000 MODELFS_TAKEOVER_UPGRADES=50 MODELFS_TAKEOVER_BARS=1 \
			MODELFS_BIN=$(CURDIR)/.build/release \
			"$$python" Tests/EndToEnd/takeover.py $${case}_under_load || exit 1; \
	done

.PHONY: soak
soak: ## readers, outages, evictions for an hour, faults, 1,000 kills: SOAK_SECONDS=3600 SEED=
	@scripts/bootstrap.sh
	MODELFS_TINY_FILES=1000000 MODELFS_CRASH_ROUNDS=200 MODELFS_ROT_FLIPS=1000 \
		swift test --disable-xctest --filter "veryManyTinyFiles|CrashTests|RotTests"
	python=$$(scripts/venv.sh) && "$$python" Tests/Official/xet_formats_test.py \
		--most-mib 64 --seed $(SEED)
	MODELFS_TEST_SECONDS=$$(( $(SOAK_SECONDS) + 7200 )) \
		MODELFS_SUITE_SECONDS=$$(( $(SOAK_SECONDS) + 3600 )) \
		MODELFS_KILL_ROUNDS=200 MODELFS_FLIP_ROUNDS=60 MODELFS_FLIPS=1000 \
		MODELFS_DEDUP_BYTES=$$(( 1 << 30 )) \
		MODELFS_SOAK_SECONDS=$(SOAK_SECONDS) MODELFS_SOAK_SEED=$(SEED) \
		MODELFS_TAKEOVER_KILLS=1000 MODELFS_TAKEOVER_UPGRADES=50 MODELFS_STRESS_SECONDS=300 \
		MODELFS_SURVIVAL_LONG=1 MODELFS_FAULT_SECONDS=900 MODELFS_FAULT_SEED=$(SEED) \
		scripts/test.sh soak cache takeover flips stress survival faults

.PHONY: transformers
transformers: ## load a model with transformers from a mount; installs PyTorch (half a gigabyte)
	@scripts/bootstrap.sh python3-torch python3-numpy
	@scripts/test.sh transformers_model

.PHONY: systemd-test
systemd-test: release ## the units on a real systemd, booted in a namespace (root, a few minutes)
	@python=$$(scripts/venv.sh) && "$$python" scripts/run-suites.py --bin .build/release \
		--folder Tests/Systemd --seconds 900

.PHONY: fuzz
fuzz: ## bent inputs to all that reads what others wrote: FUZZ_SECONDS=600 SEED=
	@scripts/bootstrap.sh
	@mkdir -p out/fuzz
	MODELFS_FUZZ_SECONDS=$(FUZZ_SECONDS) MODELFS_FUZZ_SEED=$(SEED) MODELFS_FUZZ_FOLDER=out/fuzz \
		swift test --disable-xctest --filter FuzzTests

.PHONY: fuzz-coverage
fuzz-coverage: ## the same parsers under libFuzzer, which looks for new code: FUZZ_SECONDS=600
	@scripts/bootstrap.sh
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh

.PHONY: simulate
simulate: ## the tree on a simulated network, disk and clock: SEEDS=10000 FIRST_SEED=1
	@scripts/bootstrap.sh
	SEEDS=$(SEEDS) FIRST_SEED=$(FIRST_SEED) scripts/simulate.sh

.PHONY: sanitize
sanitize: ## the unit tests under the thread and the address sanitizer
	@scripts/bootstrap.sh
	@scripts/sanitize.sh

.PHONY: format
format: ## format the Swift code
	@scripts/format.sh

.PHONY: lint
lint: ## check style: swift format, scripts, and the rules in Tests/TidyTests
	@scripts/lint.sh
	swift test --disable-xctest --filter TidyTests

.PHONY: install
install: release ## install programs and units: make install [PREFIX=/usr/local] [DESTDIR=]
	$(MAKE) install-files

# What install does when all is built.
.PHONY: install-files
install-files:
	install -d "$(DESTDIR)$(PREFIX)/bin"
	for program in modelfs modelfs-keeper modelfs-hub modelfs-predictor; do \
		install -m 755 ".build/release/$$program" "$(DESTDIR)$(PREFIX)/bin/" || exit 1; done
	install -d "$(DESTDIR)$(PREFIX)/lib/systemd/system" "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d"
	for unit in systemd/*.service systemd/*.socket; do \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|' "$$unit" | install -m 644 /dev/stdin \
			"$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit 1; done
	install -m 644 systemd/modelfs.tmpfiles.conf "$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/modelfs.conf"
	install -d -m 700 "$(DESTDIR)/etc/modelfs" "$(DESTDIR)/etc/modelfs/mounts" \
		"$(DESTDIR)/etc/modelfs/predictors"
	for file in modelfs.env predictor.env; do test -e "$(DESTDIR)/etc/modelfs/$$file" || \
		install -m 600 "systemd/$$file" "$(DESTDIR)/etc/modelfs/$$file" || exit 1; done

.PHONY: deb
deb: release ## make the Debian package, in out/
	@scripts/bootstrap.sh dpkg-dev
	@scripts/deb.sh

.PHONY: deb-test
deb-test: deb ## install the package and run the Space in a clean Debian 12 (root, minutes)
	@scripts/bootstrap.sh debootstrap lintian dpkg-dev
	@python=$$(scripts/venv.sh) && "$$python" scripts/run-suites.py --bin .build/release \
		--scratch /tmp/modelfs-package --seconds 1200 --folder Tests/Package

.PHONY: clean
clean: ## remove what was built, measured and downloaded into the checkout
	rm -rf .build .venv .venv.lock out
