# Validation against what others know: the official validator's verdicts,
# and every official example broken on purpose. Part of `make test`.
.PHONY: test-validator test-validator-texts test-validator-hostile test-mutants
test-validator: $(BUILD)/tarn
	@scripts/with-data.sh python3 tests/golden/validator_suite.py $(BUILD)/tarn @

# The same words, too: how many, and a floor that they may not fall below.
test-validator-texts: $(BUILD)/tarn
	@scripts/with-data.sh python3 tests/golden/validator_texts.py $(BUILD)/tarn @

# Nothing quadratic: hostile shapes, and twice as large.
test-validator-hostile: $(BUILD)/tarn
	@python3 tests/golden/validator_hostile.py $(BUILD)/tarn

test-mutants: $(BUILD)/tarn
	@scripts/with-data.sh python3 tests/golden/base_mutants.py $(BUILD)/tarn @r4
