/* rest/definitions.h - the profiles that a data store knows; private.
 *
 * The packages of the data folder, and over them the StructureDefinitions that are
 * stored, compiled as one package "store". They are read again when one was written
 * or the packages changed, at the next check that could need them.
 */
#ifndef REST_DEFINITIONS_H
#define REST_DEFINITIONS_H

#include "rest/rest.h"

struct definitions;

/* NULL: memory is short. */
struct definitions *definitions_open(void);
void definitions_close(struct definitions *d);

/* What is known now; the caller unrefs. NULL when the server has no packages and no
 * place for them. rest->terminology reads codes anew when the packages are others. */
struct profile_set *definitions_now(struct rest *rest, const struct fhir_type *asking);
/* The same for who asks for codes alone; cheap. */
void definitions_look(const struct rest *rest);

/* To be called when writes are done. */
void definitions_note(struct rest *rest, const struct store_write *writes, size_t count);

#endif
