# The dictionary that compresses stored bodies: trained by tools/dictionary on
# made-up members, built into the library as $(BUILD)/gen/dictionary.c.

DICTIONARY_OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/dictionary/*.c) \
    $(wildcard src/sandbox/generate*.c) $(wildcard src/json/*.c) $(wildcard src/base/*.c) \
    src/os/file.c)

$(BUILD)/tools/dictionary/dictionary: $(DICTIONARY_OBJECTS)
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/gen/dictionary.c: $(BUILD)/tools/dictionary/dictionary
	@mkdir -p $(@D)
	@echo "GEN  $@"
	$(Q)$< $@

$(BUILD)/gen/dictionary.o: $(BUILD)/gen/dictionary.c
	@echo "CC   $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# One more member of the library: its rule lists $^.
$(BUILD)/libtarn.a: $(BUILD)/gen/dictionary.o

-include $(BUILD)/tools/dictionary/dictionary.d $(BUILD)/gen/dictionary.d
