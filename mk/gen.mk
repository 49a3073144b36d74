# The FHIR tables: spec/ through tools/gen to $(BUILD)/gen/fhir_tables.c.

GEN_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/gen/*.c) \
    src/base/arena.c src/base/check.c src/base/slice.c)
SPEC_FILES := $(wildcard spec/*.txt)

$(BUILD)/tools/gen/gen: $(GEN_OBJECTS)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^

$(BUILD)/gen/fhir_tables.c: $(BUILD)/tools/gen/gen $(SPEC_FILES)
	@mkdir -p $(@D)
	@echo "GEN  $@"
	$(Q)$< spec $@.new && mv $@.new $@

$(BUILD)/gen/fhir_tables.o: $(BUILD)/gen/fhir_tables.c
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One more member of the library: its rule lists $^.
$(BUILD)/libtarn.a: $(BUILD)/gen/fhir_tables.o

-include $(GEN_OBJECTS:.o=.d) $(BUILD)/gen/fhir_tables.d
