# Benchmarks: ratios against ceiling programs, in one run. `make bench` builds
# what is needed and prints a table; BENCH_SECONDS sets the length of each step.

BENCH := $(BUILD)/bench
BENCH_SECONDS ?= 4
BENCH_PROGRAMS := ceiling_ingest ceiling_log ceiling_http load store_ingest store_updates index_ingest observations validate

$(BENCH)/%: bench/%.c bench/clock.h $(BUILD)/libtarn.a
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) -Isrc -std=c17 -O2 -g -Wall -Wextra -pthread -o $@ $< $(BUILD)/libtarn.a $(LDLIBS)

.PHONY: bench bench-programs
bench-programs: $(BENCH_PROGRAMS:%=$(BENCH)/%)
bench: $(BUILD)/tarn bench-programs
	@python3 bench/run.py $(BUILD) --seconds $(BENCH_SECONDS)

# What the index costs a write, beside three others: docs/bench.md.
BENCH_RESOURCES ?= 100000
.PHONY: bench-index
bench-index: $(BENCH)/index_ingest
	@place=$$(mktemp -d) && $(BENCH)/index_ingest $$place $(BENCH_RESOURCES) 2; rm -rf $$place

# Do large transactions stall small writes? docs/bench.md.
.PHONY: bench-large
bench-large: $(BUILD)/tarn
	@python3 bench/large.py $(BUILD)

# First pages over ten million observations: docs/bench.md.
BENCH_OBSERVATIONS ?= 1000000
.PHONY: bench-observations
bench-observations: $(BUILD)/tarn $(BENCH)/observations
	@python3 bench/observations.py $(BUILD) --count $(BENCH_OBSERVATIONS)

# Do readers wait for writers? docs/bench.md.
.PHONY: bench-beside
bench-beside: $(BUILD)/tarn $(BENCH)/load
	@python3 bench/beside.py $(BUILD)

# What of a search grows with the store? docs/bench.md. Sizes: BENCH_MEMBERS=1000,4000,16000
BENCH_MEMBERS ?= 1000,4000
.PHONY: bench-search
bench-search: $(BUILD)/tarn
	@python3 bench/search.py $(BUILD) --members $(BENCH_MEMBERS)

# What validation costs: speed, memory and start with seven guides, share of ingest.
.PHONY: bench-validate
bench-validate: $(BUILD)/tarn $(BENCH)/validate
	@python3 bench/validate.py $(BUILD) --share
