# ThreadSanitizer over the concurrent parts, in a build folder of its own.

TSAN_SOURCES := $(filter tests/unit/store/% tests/unit/http/% tests/unit/server/% \
                         tests/unit/aws/% tests/unit/os/test_fault.c tests/unit/control/test_control.c \
                         tests/unit/sandbox/test_sandbox.c tests/unit/rest/test_conditional.c \
                         tests/unit/rest/test_bundle_condition.c \
                         tests/unit/rest/test_idempotency.c tests/unit/rest/test_async.c \
                         tests/unit/rest/test_custom.c,$(UNIT_SOURCES))
TSAN_TESTS := $(TSAN_SOURCES:tests/unit/%.c=$(BUILD)/tests/%)

.PHONY: test-tsan run-tsan
test-tsan:
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/tsan SANITIZE=thread run-tsan

run-tsan: $(BUILD)/planted_race $(TSAN_TESTS)
	@scripts/run-tsan.sh $(BUILD)/planted_race $(TSAN_TESTS)

$(BUILD)/planted_race: tests/tsan/planted_race.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -g -O1 $(filter -fsanitize=%,$(CFLAGS)) -pthread -o $@ $<
