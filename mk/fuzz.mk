# `make fuzz` builds every tests/fuzz/fuzz_<name>.c into build/fuzz/ with
# libFuzzer, ASan and UBSan; `scripts/run-fuzz.sh SECONDS [name...]` runs them.
# The library is built a second time for it, under build/fuzz/obj.

FUZZ_BUILD := $(BUILD)/fuzz
FUZZ_OBJ := $(FUZZ_BUILD)/obj
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_TARGETS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(FUZZ_BUILD)/%)
FUZZ_CFLAGS = $(filter-out -D_FORTIFY_SOURCE=2,$(CPPFLAGS)) $(CFLAGS) \
              -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

.PHONY: fuzz fuzz-library
fuzz: $(FUZZ_TARGETS)

fuzz-library:
	+$(Q)$(MAKE) --no-print-directory CC=clang BUILD=$(FUZZ_OBJ) \
	    SANITIZE=fuzzer-no-link,address,undefined $(FUZZ_OBJ)/libtarn.a

$(FUZZ_OBJ)/libtarn.a: fuzz-library ;

$(FUZZ_TARGETS): $(FUZZ_BUILD)/%: tests/fuzz/%.c $(FUZZ_OBJ)/libtarn.a
	@mkdir -p $(@D)
	@echo "FUZZ $<"
	$(Q)clang $(FUZZ_CFLAGS) -o $@ $< $(FUZZ_OBJ)/libtarn.a $(LDLIBS)

# Build the targets and run each for FUZZ_SECONDS.
FUZZ_SECONDS ?= 10
.PHONY: test-fuzz
test-fuzz: fuzz
	@scripts/run-fuzz.sh $(FUZZ_SECONDS)
