/* terminology/terminology.h - code systems and value sets.
 *
 * Those of R4 core (4.0.1, v2 and v3 tables among them) are built in; others come
 * from a source: a store's own ones, packages. Each is read when it is first asked
 * for, compiled into hash tables and kept until terminology_forget(). Any number
 * of threads may ask at once.
 *
 * A code system that is not here (SNOMED CT, LOINC, ...), or here in part, gives
 * UNKNOWN and never NO: callers pass such codes with a remark. UCUM units, language
 * tags and media types are judged by their grammars.
 */
#ifndef TERMINOLOGY_TERMINOLOGY_H
#define TERMINOLOGY_TERMINOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

enum terminology_kind { TERMINOLOGY_CODE_SYSTEM, TERMINOLOGY_VALUE_SET };

/* Where more of them come from. Asked before R4 core, by any thread, and once for
 * each canonical until terminology_forget(). */
struct terminology_source {
    void *context;
    /* The resource with this `url`, of this version unless that is empty, as JSON
     * that lives as long as the arena; ret_text->bytes NULL when there is none. */
    enum err (*find)(void *context, enum terminology_kind kind, struct slice url,
                     struct slice version, struct arena *arena, struct slice *ret_text);
};

struct terminology;
/* `source` may be NULL: R4 core alone; it is copied. */
MUST_USE enum err terminology_open(const struct terminology_source *source,
                                   struct terminology **ret);
void terminology_close(struct terminology *t);
/* What the source has changed: all is read anew. Calls that run see what was. */
void terminology_forget(struct terminology *t);

enum terminology_truth { TERMINOLOGY_NO, TERMINOLOGY_UNKNOWN, TERMINOLOGY_YES };

/* A coding; absent parts are empty. */
struct terminology_code {
    struct slice system, version, code, display;
};

/* Why the answer is not YES. */
enum terminology_reason {
    TERMINOLOGY_FOUND,
    TERMINOLOGY_NOT_IN_SET,     /* a code, but none of the value set's */
    TERMINOLOGY_NO_CODE,        /* the system is here whole and has no such code */
    TERMINOLOGY_SUPPLEMENT,     /* the system is a supplement: it has no codes of its own */
    TERMINOLOGY_NO_SYSTEM,      /* the code system is not here, or only in part */
    TERMINOLOGY_NO_VALUE_SET,   /* the value set, or one it is made of, is not here */
    TERMINOLOGY_NOT_UNDERSTOOD, /* a filter that we cannot judge; or too much work */
};

struct terminology_answer {
    enum terminology_truth truth;
    enum terminology_reason reason;
    struct slice about;   /* the canonical that is not here; in the arena */
    struct slice system;  /* in which the code was found: also when none was asked for */
    struct slice version; /* its version, when known */
    struct slice display; /* the concept's own, when known */
    bool has_wrong_display; /* one was given, and it is none of the concept's */
    bool is_abstract;       /* not for use in records */
    bool is_inactive;
    bool is_in_part; /* UNKNOWN: the system is here, without the code, but not whole */
};

/* Is the code in the value set? Without a system it is one of any of the set's
 * systems (an element of type `code`). The answer's texts live in the arena. */
MUST_USE enum err terminology_in_value_set(struct terminology *t, struct slice canonical,
                                           const struct terminology_code *code,
                                           struct arena *arena, struct terminology_answer *ret);

/* Is it a code of its system? Also finds its display. */
MUST_USE enum err terminology_in_system(struct terminology *t,
                                        const struct terminology_code *code, struct arena *arena,
                                        struct terminology_answer *ret);

/* Does its CodeSystem say that case does not count? False when it is not here. */
MUST_USE enum err terminology_folds_case(struct terminology *t, struct slice system,
                                         struct arena *arena, bool *ret_folds);

/* The concept's JSON of its CodeSystem, and that resource's name; absent texts when
 * unknown. For $lookup. */
struct terminology_concept {
    struct slice json;    /* {"code":..., "display":..., ...}, parts included */
    struct slice name;    /* of the code system */
    struct slice version;
    struct slice parent;  /* code; empty: none */
};
MUST_USE enum err terminology_lookup(struct terminology *t, const struct terminology_code *code,
                                     struct arena *arena, bool *ret_found,
                                     struct terminology_concept *ret);

/* Each code of a system or value set; one without .code means all of its system,
 * which is not here to be listed. An error ends it and is returned. */
typedef enum err terminology_visit(void *context, const struct terminology_code *code,
                                   const struct terminology_answer *about);

/* The code and all that it subsumes (`is_upward`: all that subsume it), itself
 * first; nothing when the system or code is not here. */
MUST_USE enum err terminology_relatives(struct terminology *t, const struct terminology_code *code,
                                        bool is_upward, struct arena *arena,
                                        terminology_visit *visit, void *context);

/* All codes of a value set, each once, in its own order; codes that include and
 * exclude need not be listed beforehand. `*ret_reason` FOUND unless something of
 * the set cannot be listed: what could be was visited then, `*ret_about` says what
 * could not. ERR_NOT_FOUND without such a value set, ERR_LIMIT beyond `most`. */
MUST_USE enum err terminology_expand(struct terminology *t, struct slice canonical, size_t most,
                                     struct arena *arena, terminology_visit *visit, void *context,
                                     enum terminology_reason *ret_reason, struct slice *ret_about);

/* The same of a ValueSet that is no stored one (POST $expand, $validate-code). */
MUST_USE enum err terminology_expand_text(struct terminology *t, struct slice json, size_t most,
                                          struct arena *arena, terminology_visit *visit,
                                          void *context, enum terminology_reason *ret_reason,
                                          struct slice *ret_about);
MUST_USE enum err terminology_in_text(struct terminology *t, struct slice json,
                                      const struct terminology_code *code, struct arena *arena,
                                      struct terminology_answer *ret);

/* Is a resource of that canonical here at all? */
MUST_USE enum err terminology_has(struct terminology *t, enum terminology_kind kind,
                                  struct slice canonical, struct arena *arena, bool *ret_has);

#endif
