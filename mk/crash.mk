# The crash tests: a preloaded shim that fails system calls and keeps an undo
# journal of unsynced writes, the tool that applies it, the store's driver.

CRASH := $(BUILD)/crash
CRASH_SECONDS ?= 900

$(CRASH)/shim.so: tests/crash/shim.c tests/crash/undo.h
	@mkdir -p $(@D)
	@echo "CC   $<"
	$(Q)$(CC) -std=c17 -O1 -g -Wall -Wextra -Werror -fPIC -shared -pthread -o $@ $< -ldl

$(CRASH)/powercut: tests/crash/powercut.c tests/crash/undo.h
	@mkdir -p $(@D)
	@echo "CC   $<"
	$(Q)$(CC) -std=c17 -O1 -g -Wall -Wextra -Werror -o $@ $<

$(CRASH)/store_writer: tests/crash/store_writer.c $(BUILD)/libtarn.a
	@mkdir -p $(@D)
	@echo "LINK $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libtarn.a $(LDLIBS)

.PHONY: test-crash
test-crash: $(CRASH)/shim.so $(CRASH)/powercut $(CRASH)/store_writer
	@timeout $(CRASH_SECONDS) python3 tests/crash/store_crash.py $(CRASH) $(CRASH_ARGS)

# kill -9 of `tarn serve` during `tarn sync`: KILLS times.
KILLS ?= 8
.PHONY: test-kills
test-kills: $(BUILD)/tarn
	@timeout $(CRASH_SECONDS) python3 tests/crash/kill_sync.py $(BUILD)/tarn --kills $(KILLS)
	@timeout $(CRASH_SECONDS) python3 tests/crash/kill_async.py $(BUILD)/tarn --kills $(KILLS)
