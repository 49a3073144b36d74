/* fhir/fhirpath_functions.c - the table of functions. */
#include "fhir/fhirpath_functions.h"

static const struct fp_function functions[] = {
#define X(name, implementation, least, most, arguments)                                            \
    { #name, implementation, least, most, arguments },
    FP_FUNCTIONS(X)
#undef X
};

/* Only compiling looks a name up, so a walk through the list will do. */
const struct fp_function *fp_function_find(struct slice name)
{
    for (size_t i = 0; i < ARRAY_COUNT(functions); i++)
        if (slice_is(name, functions[i].name))
            return &functions[i];
    return NULL;
}
