# The code systems and value sets of R4 core, built into the library:
# spec/terminology.ndjson through tools/terminology.

TERMINOLOGY_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/terminology/*.c) \
    $(wildcard src/json/*.c) $(wildcard src/base/*.c))

$(BUILD)/tools/terminology/terminology: $(TERMINOLOGY_OBJECTS)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/gen/terminology_core.c: $(BUILD)/tools/terminology/terminology spec/terminology.ndjson
	@mkdir -p $(@D)
	@echo "GEN  $@"
	$(Q)$< spec/terminology.ndjson $@.new && mv $@.new $@

$(BUILD)/gen/terminology_core.o: $(BUILD)/gen/terminology_core.c
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One more member of the library: its rule lists $^.
$(BUILD)/libtarn.a: $(BUILD)/gen/terminology_core.o

-include $(BUILD)/tools/terminology/terminology.d $(BUILD)/gen/terminology_core.d
