/* near: positions in a circle. The index keeps them by latitude; the circle becomes
 * strips of latitude, each as wide as the circle is in it: what is found lies in the
 * circle or, by less than 1 % of its radius, beside it. */
#include "search/compile.h"

#include <math.h>
#include <string.h>

#include "index/index.h"

enum { STRIPS = 200 };
static const double EARTH_METRES = 6371008.8, DEFAULT_METRES = 10000, PI = 3.14159265358979323846;

struct circle {
    double latitude, longitude; /* degrees */
    double radius;              /* of the arc, degrees */
};

static bool number_of(struct slice text, double limit, double *ret)
{
    struct decimal d;
    if (!decimal_parse(text, &d))
        return false;
    *ret = decimal_to_double(d);
    return *ret >= -limit && *ret <= limit;
}

/* In metres; a unit is UCUM's, km without one. */
static bool distance_of(struct slice number, struct slice unit, double *ret)
{
    struct decimal value, metres, one;
    char dimension[FHIR_DIMENSION_BYTES], metre[FHIR_DIMENSION_BYTES];
    size_t length, metre_length;
    struct slice code = !unit.length ? SLICE("km") : slice_is(unit, "mi") ? SLICE("[mi_i]") : unit;
    if (!decimal_parse(number, &value) || value.units < 0 ||
        !fhir_unit_normalise(code, value, &metres, dimension, &length) ||
        !fhir_unit_normalise(SLICE("m"), decimal_of(1), &one, metre, &metre_length) ||
        !slice_equal(slice_of(dimension, length), slice_of(metre, metre_length)))
        return false;
    *ret = decimal_to_double(metres);
    return true;
}

/* latitude|longitude[|distance[|unit]] */
static enum err parse(struct compiler *c, struct slice value, struct circle *ret)
{
    struct slice rest = value, parts[4] = { SLICE_NONE };
    size_t count = 0;
    double metres = DEFAULT_METRES;
    while (rest.bytes && count < ARRAY_COUNT(parts))
        parts[count++] = value_unescape(value_cut(&rest, '|'), c->arena);
    bool is_good = count >= 2 && !rest.bytes && number_of(parts[0], 90, &ret->latitude) &&
                   number_of(parts[1], 180, &ret->longitude) &&
                   (!parts[2].length || distance_of(parts[2], parts[3], &metres));
    if (!is_good)
        return value_refuse(c, value, "is no position: expected latitude|longitude|distance|unit, "
                                      "in degrees and a unit of length (km without one)");
    ret->radius = metres / EARTH_METRES * 180 / PI;
    return ERR_NONE;
}

/* Half of the circle's width at a latitude, in degrees of longitude; 180: all around,
 * negative: none. */
static double half_width(const struct circle *circle, double latitude)
{
    double phi = latitude * PI / 180, phi0 = circle->latitude * PI / 180;
    double below = cos(phi) * cos(phi0);
    double rest = cos(MIN(circle->radius, 180) * PI / 180) - sin(phi) * sin(phi0);
    if (below < 1e-12)
        return rest <= 0 ? 180 : -1;
    double cosine = rest / below;
    return cosine > 1 ? -1 : cosine < -1 ? 180 : acos(cosine) * 180 / PI;
}

static enum err strip_add(struct compiler *c, double south, double north, double west, double east,
                          struct plan_list *list)
{
    char *bytes = arena_raw(c->arena, 2 + 4 * INDEX_DEGREE_BYTES);
    struct plan *plan;
    if (!bytes)
        return ERR_NO_MEMORY;
    uint8_t *at = (uint8_t *)bytes;
    const double step = 1e-9; /* the upper ends belong to the strip */
    size_t end = 1 + INDEX_DEGREE_BYTES;
    at[0] = at[end] = TERM_POSITION;
    index_encode_degrees(south, at + 1);
    index_encode_degrees(north + step, at + end + 1);
    index_encode_degrees(west, at + 2 * end);
    index_encode_degrees(east + step, at + 2 * end + INDEX_DEGREE_BYTES);
    TRY(plan_leaf(c, PLAN_RANGE, slice_of(bytes, end), &plan));
    plan->to = slice_of(bytes + end, end);
    plan->tail_from = slice_of(bytes + 2 * end, INDEX_DEGREE_BYTES);
    plan->tail_to = slice_of(bytes + 2 * end + INDEX_DEGREE_BYTES, INDEX_DEGREE_BYTES);
    plan->tail_at = end;
    return plan_list_add(c, list, plan);
}

/* Longitudes go round at 180. */
static enum err strip_add_round(struct compiler *c, const struct circle *circle, double south,
                                double north, double width, struct plan_list *list)
{
    double west = circle->longitude - width, east = circle->longitude + width;
    if (width >= 180)
        return strip_add(c, south, north, -180, 180, list);
    if (west < -180)
        TRY(strip_add(c, south, north, west + 360, 180, list));
    if (east > 180)
        TRY(strip_add(c, south, north, -180, east - 360, list));
    return strip_add(c, south, north, MAX(west, -180), MIN(east, 180), list);
}

enum err compile_near(struct compiler *c, struct slice value, struct plan **ret_plan)
{
    struct circle circle = { .radius = 0 };
    struct plan_list any = { 0 };
    TRY(parse(c, value, &circle));
    double south = MAX(circle.latitude - circle.radius, -90);
    double north = MIN(circle.latitude + circle.radius, 90);
    for (int i = 0; i < STRIPS; i++) {
        double from = south + (north - south) * i / STRIPS;
        double to = south + (north - south) * (i + 1) / STRIPS;
        double width = MAX(half_width(&circle, from), half_width(&circle, to));
        if (from <= circle.latitude && circle.latitude <= to)
            width = MAX(width, half_width(&circle, circle.latitude));
        TRY(strip_add_round(c, &circle, from, to, MAX(width, 0), &any));
    }
    return plan_join(c, PLAN_OR, &any, ret_plan);
}
