# `make test`: what a change must pass, five minutes after set-up.

.PHONY: test-e2e
test-e2e: $(BUILD)/tarn tools tools
	@scripts/run-e2e.sh

test: $(BUILD)/tarn tools $(UNIT_TESTS)
	@scripts/run-tests.sh
