# Tarn. `make deps` installs what the build needs (Debian 12), `make` builds
# build/tarn, `make test` runs the tests. See CONTRIBUTING.md.
#
# Out of tree: everything made goes under $(BUILD). Variants are other BUILD
# folders: make BUILD=build/asan SANITIZE=address,undefined test-unit
# V=1 shows the commands.

BUILD ?= build
V ?= 0
Q := $(if $(filter 0,$(V)),@,)
CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
OPTIMIZE ?= -O2 -g
SANITIZE ?=
DEFINES ?=

PACKAGES := libcurl libcrypto libzstd libxxhash libutf8proc zlib
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes \
            -Wmissing-prototypes -Wswitch-enum -Werror
CPPFLAGS := -Isrc -I$(BUILD)/gen -D_POSIX_C_SOURCE=200809L $(DEFINES)
CFLAGS := -std=c17 $(OPTIMIZE) $(WARNINGS) -fno-strict-aliasing -fstack-protector-strong \
          -fno-omit-frame-pointer -pthread $(shell pkg-config --cflags $(PACKAGES))
LDFLAGS := -pthread
LDLIBS := $(shell pkg-config --libs $(PACKAGES)) -lrocksdb -lm
ifneq ($(SANITIZE),)
CFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZE)
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

MAIN := src/cli/main.c
SOURCES := $(filter-out $(MAIN),$(wildcard src/*/*.c src/*/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
UNIT_SOURCES := $(wildcard tests/unit/*/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:tests/unit/%.c=$(BUILD)/tests/%)

.PHONY: all deps test test-unit tidy clean format
all: $(BUILD)/tarn

deps:
	scripts/deps.sh

# The whole archive: two functions of one name are then an error, not a silent choice.
$(BUILD)/tarn: $(BUILD)/src/cli/main.o $(BUILD)/libtarn.a
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--whole-archive $(BUILD)/libtarn.a \
	    -Wl,--no-whole-archive $(LDLIBS)

$(BUILD)/libtarn.a: $(OBJECTS)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# Unit tests: one program per file, cmocka. A test may include the .c it tests.
$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/libtarn.a
	@mkdir -p $(@D)
	@echo "TEST $<"
	$(Q)$(CC) $(CPPFLAGS) -Itests/unit $(CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< \
	    $(BUILD)/libtarn.a -lcmocka $(LDLIBS)

include $(wildcard mk/*.mk)

test-unit: $(UNIT_TESTS)
	@scripts/run-unit.sh $(UNIT_TESTS)

tidy:
	@scripts/tidy.sh

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(BUILD)/src/cli/main.d $(UNIT_TESTS:%=%.d)
