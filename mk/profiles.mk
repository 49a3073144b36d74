# R4's own profiles and extensions, built into the library as an image:
# spec/profiles.ndjson through tools/profiles.

PROFILES_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/profiles/*.c) \
    $(filter-out %/codes.c %/home.c %/load.c %/package.c,$(wildcard src/profile/*.c)) \
    $(wildcard src/fhir/*.c) $(wildcard src/json/*.c) \
    $(wildcard src/base/*.c) src/os/fault.c src/os/file.c src/os/mapping.c src/os/unpack.c) \
    $(BUILD)/gen/fhir_tables.o

$(BUILD)/tools/profiles/profiles: $(PROFILES_OBJECTS)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/gen/profile_core.c: $(BUILD)/tools/profiles/profiles spec/profiles.ndjson
	@mkdir -p $(@D)
	@echo "GEN  $@"
	$(Q)$< spec/profiles.ndjson $@.new && mv $@.new $@

$(BUILD)/gen/profile_core.o: $(BUILD)/gen/profile_core.c
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One more member of the library: its rule lists $^.
$(BUILD)/libtarn.a: $(BUILD)/gen/profile_core.o

-include $(BUILD)/tools/profiles/profiles.d $(BUILD)/gen/profile_core.d

# The guides of the data folder: their examples, and broken ones.
.PHONY: test-profiles
test-profiles: $(BUILD)/tarn
	@scripts/with-data.sh python3 tests/golden/profile_guides.py $(BUILD)/tarn @ig
