# `make test-long`: hours, with random seeds that it prints. Run the parts your
# change touches: make long-model, long-crash, long-kills, long-records, long-fuzz,
# long-oracle.

SEED ?= $(shell od -An -N4 -tu4 /dev/urandom | tr -d ' ')

.PHONY: test-long long-model long-crash long-kills long-records long-hostile long-fuzz long-oracle
test-long: long-model long-crash long-kills long-records long-hostile long-fuzz long-oracle

# A round is 20,000 steps, in memory (nothing is proved by syncing, and it would take most
# of the time); a step is a commit, perhaps something else, reads, searches and histories
# compared. Some 400 steps a second. MODEL_LONG_SEED=N runs a round again.
MODEL_TMPDIR ?= /dev/shm
MODEL_SECONDS ?= 36000
long-model: $(BUILD)/tests/store/test_model
	@TMPDIR=$(MODEL_TMPDIR) MODEL_SECONDS=$(MODEL_SECONDS) $(BUILD)/tests/store/test_model

long-crash:
	@echo "long-crash: seed $(SEED)"
	@$(MAKE) -s test-crash CRASH_SECONDS=20000 CRASH_ARGS="--rounds 200 --calls 100 --seed $(SEED)"
	@$(MAKE) -s test-crash CRASH_SECONDS=20000 CRASH_ARGS="--rounds 1 --each --seed $(SEED)"

long-kills: $(BUILD)/tarn
	@echo "long-kills: seed $(SEED)"
	@python3 tests/crash/kill_sync.py $(BUILD)/tarn --kills 500 --seed $(SEED)
	@python3 tests/crash/kill_async.py $(BUILD)/tarn --kills 500 --seed $(SEED)

# All 400 Synthea members, twice.
long-records: $(BUILD)/tarn $(BUILD)/same
	@TARN_SYNTHEA=all scripts/run-e2e.sh records.test.mjs

long-hostile: test-validator-hostile

long-fuzz:
	@echo "long-fuzz: seed $(SEED)"
	@FUZZ_SEED=$(SEED) $(MAKE) -s test-fuzz FUZZ_SECONDS=900

# Random searches, half an hour for each of four seeds.
long-oracle: $(BUILD)/tarn
	@for i in 0 1 2 3; do TARN_SEED=$$(($(SEED) + i)) TARN_ORACLE_SECONDS=1800 \
	    TARN_ORACLE_MEMBERS=6 scripts/run-e2e.sh oracle.test.mjs || exit 1; done
