# `make test`: what a change must pass, five minutes after set-up.

.PHONY: test-e2e test-programs
# All that `make test` runs; build it with -j first.
test-programs: $(BUILD)/tarn tools $(UNIT_TESTS) $(CRASH)/shim.so $(CRASH)/powercut \
               $(CRASH)/store_writer

test-e2e: $(BUILD)/tarn tools
	@scripts/run-e2e.sh

test: test-programs
	@scripts/run-tests.sh

.PHONY: test-fold
test-fold: $(BUILD)/fold
	@python3 tests/golden/fold_check.py $(BUILD)/fold

# The clients again, against a program with AddressSanitizer and UBSan.
.PHONY: test-e2e-asan
test-e2e-asan: tools
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan SANITIZE=address,undefined \
	    $(BUILD)/asan/tarn
	@TARN=$(abspath $(BUILD)/asan/tarn) TARN_SYNTHEA= scripts/run-e2e.sh serve.test.mjs \
	    guide.test.mjs records.test.mjs iam.test.mjs control.test.mjs
