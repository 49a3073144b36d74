/* server/dictionary.h - the zstd dictionary that ships with the program; private.
 *
 * Trained on made-up members while the program is built (tools/dictionary).
 */
#ifndef SERVER_DICTIONARY_H
#define SERVER_DICTIONARY_H

#include <stddef.h>

extern const unsigned char server_dictionary_bytes[];
extern const size_t server_dictionary_length;

#endif
