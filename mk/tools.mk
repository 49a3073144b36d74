# Our own tools for tests and bench: tools/<name>/<name>.c becomes build/<name>.

TOOLS := same ask fold

.PHONY: tools
tools: $(TOOLS:%=$(BUILD)/%)

$(TOOLS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/libtarn.a
	@echo "LINK $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(BUILD)/libtarn.a $(LDLIBS)

$(foreach tool,$(TOOLS),$(eval $(BUILD)/$(tool): $(BUILD)/tools/$(tool)/$(tool).o))
$(BUILD)/ask: $(BUILD)/tools/ask/memory.o

-include $(foreach tool,$(TOOLS),$(BUILD)/tools/$(tool)/$(tool).d) $(BUILD)/tools/ask/memory.d
