/* fhir/fhirpath_functions.h - every function of FHIRPath, one list for the
 * table, the declarations and the reader; private to fhir/. */
#ifndef FHIR_FHIRPATH_FUNCTIONS_H
#define FHIR_FHIRPATH_FUNCTIONS_H

#include "fhir/fhirpath.h"

/* X(name, implementation, least, most arguments, FP_VALUES ...) */
#define FP_FUNCTIONS(X)                                     \
    /* existence */                                         \
    X(empty, fp_empty, 0, 0, FP_VALUES)                     \
    X(exists, fp_exists, 0, 1, FP_EXPRESSIONS)              \
    X(all, fp_all, 1, 1, FP_EXPRESSIONS)                    \
    X(allTrue, fp_all_true, 0, 0, FP_VALUES)                \
    X(anyTrue, fp_any_true, 0, 0, FP_VALUES)                \
    X(allFalse, fp_all_false, 0, 0, FP_VALUES)              \
    X(anyFalse, fp_any_false, 0, 0, FP_VALUES)              \
    X(subsetOf, fp_subset_of, 1, 1, FP_VALUES)              \
    X(supersetOf, fp_superset_of, 1, 1, FP_VALUES)          \
    X(count, fp_count, 0, 0, FP_VALUES)                     \
    X(distinct, fp_distinct, 0, 0, FP_VALUES)               \
    X(isDistinct, fp_is_distinct, 0, 0, FP_VALUES)          \
    X(not, fp_not, 0, 0, FP_VALUES)                         \
    /* filtering and projection */                          \
    X(where, fp_where, 1, 1, FP_EXPRESSIONS)                \
    X(select, fp_select, 1, 1, FP_EXPRESSIONS)              \
    X(repeat, fp_repeat, 1, 1, FP_EXPRESSIONS)              \
    X(ofType, fp_of_type, 1, 1, FP_TYPE_NAME)               \
    X(is, fp_is, 1, 1, FP_TYPE_NAME)                        \
    X(as, fp_as, 1, 1, FP_TYPE_NAME)                        \
    /* subsetting and combining */                          \
    X(single, fp_single, 0, 0, FP_VALUES)                   \
    X(first, fp_first, 0, 0, FP_VALUES)                     \
    X(last, fp_last, 0, 0, FP_VALUES)                       \
    X(tail, fp_tail, 0, 0, FP_VALUES)                       \
    X(skip, fp_skip, 1, 1, FP_VALUES)                       \
    X(take, fp_take, 1, 1, FP_VALUES)                       \
    X(intersect, fp_intersect, 1, 1, FP_VALUES)             \
    X(exclude, fp_exclude, 1, 1, FP_VALUES)                 \
    X(union, fp_union_of, 1, 1, FP_VALUES)                  \
    X(combine, fp_combine, 1, 1, FP_VALUES)                 \
    X(sort, fp_sort, 0, 3, FP_EXPRESSIONS)                  \
    X(children, fp_children_of, 0, 0, FP_VALUES)            \
    X(descendants, fp_descendants, 0, 0, FP_VALUES)         \
    /* conversion */                                        \
    X(iif, fp_iif, 2, 3, FP_EXPRESSIONS)                    \
    X(toBoolean, fp_to_boolean, 0, 0, FP_VALUES)            \
    X(toInteger, fp_to_integer, 0, 0, FP_VALUES)            \
    X(toLong, fp_to_integer, 0, 0, FP_VALUES)               \
    X(toDecimal, fp_to_decimal, 0, 0, FP_VALUES)            \
    X(toString, fp_to_string, 0, 0, FP_VALUES)              \
    X(toDate, fp_to_date, 0, 0, FP_VALUES)                  \
    X(toDateTime, fp_to_date_time, 0, 0, FP_VALUES)         \
    X(toTime, fp_to_time, 0, 0, FP_VALUES)                  \
    X(toQuantity, fp_to_quantity, 0, 1, FP_VALUES)          \
    X(convertsToBoolean, fp_converts, 0, 0, FP_VALUES)      \
    X(convertsToInteger, fp_converts, 0, 0, FP_VALUES)      \
    X(convertsToLong, fp_converts, 0, 0, FP_VALUES)         \
    X(convertsToDecimal, fp_converts, 0, 0, FP_VALUES)      \
    X(convertsToString, fp_converts, 0, 0, FP_VALUES)       \
    X(convertsToDate, fp_converts, 0, 0, FP_VALUES)         \
    X(convertsToDateTime, fp_converts, 0, 0, FP_VALUES)     \
    X(convertsToTime, fp_converts, 0, 0, FP_VALUES)         \
    X(convertsToQuantity, fp_converts, 0, 1, FP_VALUES)     \
    /* strings */                                           \
    X(indexOf, fp_index_of, 1, 1, FP_VALUES)                \
    X(lastIndexOf, fp_last_index_of, 1, 1, FP_VALUES)       \
    X(substring, fp_substring, 1, 2, FP_VALUES)             \
    X(startsWith, fp_starts_with, 1, 1, FP_VALUES)          \
    X(endsWith, fp_ends_with, 1, 1, FP_VALUES)              \
    X(contains, fp_contains, 1, 1, FP_VALUES)               \
    X(upper, fp_upper, 0, 0, FP_VALUES)                     \
    X(lower, fp_lower, 0, 0, FP_VALUES)                     \
    X(replace, fp_replace, 2, 2, FP_VALUES)                 \
    X(matches, fp_matches, 1, 1, FP_VALUES)                 \
    X(matchesFull, fp_matches_full, 1, 1, FP_VALUES)        \
    X(replaceMatches, fp_replace_matches, 2, 2, FP_VALUES)  \
    X(length, fp_length, 0, 0, FP_VALUES)                   \
    X(toChars, fp_to_chars, 0, 0, FP_VALUES)                \
    X(trim, fp_trim, 0, 0, FP_VALUES)                       \
    X(split, fp_split, 1, 1, FP_VALUES)                     \
    X(join, fp_join, 0, 1, FP_VALUES)                       \
    X(encode, fp_encode, 1, 1, FP_VALUES)                   \
    X(decode, fp_decode, 1, 1, FP_VALUES)                   \
    X(escape, fp_escape, 1, 1, FP_VALUES)                   \
    X(unescape, fp_unescape, 1, 1, FP_VALUES)               \
    /* numbers */                                           \
    X(abs, fp_abs, 0, 0, FP_VALUES)                         \
    X(ceiling, fp_ceiling, 0, 0, FP_VALUES)                 \
    X(floor, fp_floor, 0, 0, FP_VALUES)                     \
    X(truncate, fp_truncate, 0, 0, FP_VALUES)               \
    X(round, fp_round, 0, 1, FP_VALUES)                     \
    X(exp, fp_exp, 0, 0, FP_VALUES)                         \
    X(ln, fp_ln, 0, 0, FP_VALUES)                           \
    X(log, fp_log, 1, 1, FP_VALUES)                         \
    X(power, fp_power, 1, 1, FP_VALUES)                     \
    X(sqrt, fp_sqrt, 0, 0, FP_VALUES)                       \
    X(aggregate, fp_aggregate, 1, 2, FP_EXPRESSIONS)        \
    X(sum, fp_sum, 0, 0, FP_VALUES)                         \
    X(avg, fp_avg, 0, 0, FP_VALUES)                         \
    X(min, fp_min, 0, 0, FP_VALUES)                         \
    X(max, fp_max, 0, 0, FP_VALUES)                         \
    /* precision */                                         \
    X(lowBoundary, fp_low_boundary, 0, 1, FP_VALUES)        \
    X(highBoundary, fp_high_boundary, 0, 1, FP_VALUES)      \
    X(precision, fp_precision, 0, 0, FP_VALUES)             \
    X(comparable, fp_comparable, 1, 1, FP_VALUES)           \
    /* dates and times */                                   \
    X(now, fp_now, 0, 0, FP_VALUES)                         \
    X(today, fp_today, 0, 0, FP_VALUES)                     \
    X(timeOfDay, fp_time_of_day, 0, 0, FP_VALUES)           \
    X(yearOf, fp_date_part, 0, 0, FP_VALUES)                \
    X(monthOf, fp_date_part, 0, 0, FP_VALUES)               \
    X(dayOf, fp_date_part, 0, 0, FP_VALUES)                 \
    X(hourOf, fp_date_part, 0, 0, FP_VALUES)                \
    X(minuteOf, fp_date_part, 0, 0, FP_VALUES)              \
    X(secondOf, fp_date_part, 0, 0, FP_VALUES)              \
    X(millisecondOf, fp_date_part, 0, 0, FP_VALUES)         \
    X(timezoneOffsetOf, fp_zone_part, 0, 0, FP_VALUES)      \
    X(dateOf, fp_date_of, 0, 0, FP_VALUES)                  \
    X(timeOf, fp_time_of, 0, 0, FP_VALUES)                  \
    /* the rest, and FHIR's own */                          \
    X(trace, fp_trace, 1, 2, FP_EXPRESSIONS)                \
    X(type, fp_type_of, 0, 0, FP_VALUES)                    \
    X(extension, fp_extension, 1, 1, FP_VALUES)             \
    X(hasValue, fp_has_value, 0, 0, FP_VALUES)              \
    X(getValue, fp_get_value, 0, 0, FP_VALUES)              \
    X(resolve, fp_resolve, 0, 0, FP_VALUES)                 \
    X(memberOf, fp_member_of, 1, 1, FP_VALUES)              \
    X(conformsTo, fp_conforms_to, 1, 1, FP_VALUES)          \
    X(htmlChecks, fp_html_checks, 0, 0, FP_VALUES)          \
    X(htmlChecks2, fp_html_checks, 0, 0, FP_VALUES)

#define X(name, implementation, least, most, arguments) fp_implementation implementation;
FP_FUNCTIONS(X)
#undef X

#endif
