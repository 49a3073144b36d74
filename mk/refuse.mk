# Unit tests in which memory is refused (tests/unit/refuse.h): their own functions stand
# in front of these.

REFUSE_NAMES := malloc calloc realloc strdup pthread_create mmap \
                arena_raw arena_alloc arena_array arena_copy arena_printf
REFUSE_FLAGS := $(REFUSE_NAMES:%=-Wl,--wrap=%)

$(BUILD)/tests/store/test_model $(BUILD)/tests/rest/test_refused: private LDFLAGS += $(REFUSE_FLAGS)
