#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fhir/fhir.h"
#include "os/unpack.h"
#include "outside.h"

enum { ARENA_BYTES = 1 << 30 };

struct world {
    struct arena arena;
    const struct fhir_rules *rules;
    struct issues issues;
};

static int set_up(void **state)
{
    static struct world world;
    arena_init(&world.arena, ARENA_BYTES);
    assert_int_equal(fhir_rules_compile(&world.arena, &world.rules), ERR_NONE);
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    arena_release(&world->arena);
    return 0;
}

/* The number of errors; the findings stay in world->issues. */
static size_t validate(struct world *world, struct slice text)
{
    struct json_doc *doc = arena_alloc(&world->arena, sizeof *doc);
    struct json_error error;
    size_t errors = 0;
    const struct fhir_validate_options options = { .rules = world->rules };
    if (json_parse(text, NULL, &world->arena, doc, &error))
        fail_msg("%.*s: %s", SLICE_ARGS(slice_head(text, 200)), error.text);
    struct json root = json_root(doc);
    struct slice name = json_string(json_member(root, "resourceType"), &world->arena);
    issues_init(&world->issues, &world->arena);
    assert_int_equal(fhir_validate(root, fhir_resource_find(name), &options, &world->issues),
                     ERR_NONE);
    for (struct issue *i = world->issues.first; i; i = i->next)
        errors += i->severity <= ISSUE_ERROR;
    return errors;
}

/* ---- faults, each at its place ---- */

struct fault {
    const char *json, *expression, *text;
};

#define NS "xmlns=\\\"http://www.w3.org/1999/xhtml\\\""
#define TEN "0123456789"
#define PATIENT(members) "{\"resourceType\":\"Patient\"," members "}"
#define OBSERVATION(members)                                                                       \
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"x\"}," members "}"

static const struct fault faults[] = {
    { PATIENT("\"nome\":\"x\""), "Patient", "Unrecognized property 'nome'" },
    { PATIENT("\"name\":{\"family\":\"x\"}"), "Patient.name", "must be a JSON Array" },
    { PATIENT("\"active\":[true]"), "Patient.active", "simple value, not an array" },
    { PATIENT("\"active\":\"true\""), "Patient.active", "must be a boolean" },
    { PATIENT("\"name\":[\"x\"]"), "Patient.name[0]", "must be an Object" },
    { PATIENT("\"name\":[]"), "Patient.name", "Array cannot be empty" },
    { PATIENT("\"name\":[{}]"), "Patient.name[0]", "Object must have some content" },
    { PATIENT("\"name\":[{\"family\":\"\"}]"), "Patient.name[0].family", "cannot be empty" },
    { PATIENT("\"name\":[{\"given\":[null]}]"), "Patient.name[0].given[0]", "not null" },
    { PATIENT("\"birthDate\":\"1974-13\""), "Patient.birthDate", "Not a valid date ('1974-13'" },
    { PATIENT("\"id\":\"a b\""), "Patient.id", "Invalid Resource id: Invalid Characters ('a b')" },
    { PATIENT("\"id\":\"" TEN TEN TEN TEN TEN TEN "abcde\""), "Patient.id",
      "Invalid Resource id: Too long (65 chars)" },
    { PATIENT("\"gender\":\"man\""), "Patient.gender", "required from this value set" },
    { PATIENT("\"multipleBirthInteger\":1.5"), "Patient.multipleBirth",
      "The value '1.5' is not a valid integer" },
    { PATIENT("\"deceasedBoolean\":true,\"deceasedDateTime\":\"2020\""), "Patient",
      "max allowed = 1, but found 2" },
    { PATIENT("\"deceasedDateTime\":\"2020-01-01T10:00:00\""), "Patient.deceased", "timezone" },
    { PATIENT("\"link\":[{\"type\":\"refer\"}]"), "Patient.link[0]",
      "Patient.link.other: minimum required = 1, but only found 0" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"Patient/1\"}"),
      "Patient.managingOrganization", "Found Patient, but expected one of ([Organization])" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"nowhere\"}"),
      "Patient.managingOrganization", "Relative URLs must be" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"#o\"}"), "Patient.managingOrganization",
      "ref-1" },
    { PATIENT("\"extension\":[{\"valueString\":\"x\"}]"), "Patient.extension[0]",
      "Extension.url: minimum required = 1" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\"}]"), "Patient.extension[0]", "ext-1" },
    { PATIENT("\"_birthDate\":{\"extension\":[{\"url\":\"http://x\"}]}"),
      "Patient.birthDate.extension[0]", "ext-1" },
    { PATIENT("\"extension\":[{\"url\":\"tint\",\"valueCode\":\"x\"}]"), "Patient.extension[0]",
      "The extension url 'tint' must be an absolute URL" },
    { PATIENT("\"contact\":[{\"gender\":\"male\"}]"), "Patient.contact[0]", "pat-1" },
    { PATIENT("\"telecom\":[{\"value\":\"1\"}]"), "Patient.telecom[0]", "cpt-2" },
    { PATIENT("\"text\":{\"status\":\"generated\",\"div\":\"<div " NS "><script/>x</div>\"}"),
      "Patient.text.div", "Invalid element name in the XHTML ('script')" },
    { PATIENT("\"text\":{\"status\":\"generated\",\"div\":\"<div>x</div>\"}"), "Patient.text.div",
      "Wrong namespace on the XHTML ('null'" },
    { PATIENT("\"name\":[{\"family\":\"a\\u0000b\"}]"), "Patient.name[0].family", "below U+0020" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"#p\"},\"contained\":[{"
              "\"resourceType\":\"Practitioner\",\"id\":\"p\"}]"),
      "Patient.managingOrganization", "Found Practitioner, but expected one of ([Organization])" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"#p\"},\"contained\":[{"
              "\"resourceType\":\"Organization\",\"id\":\"p\",\"name\":\"a\"},{"
              "\"resourceType\":\"Organization\",\"id\":\"p\",\"name\":\"b\"}]"),
      "Patient.contained[1]", "Duplicate id value 'p'" },
    { PATIENT("\"managingOrganization\":{\"reference\":\"Organization/1\","
              "\"type\":\"Patient\"}"),
      "Patient.managingOrganization", "Found Patient, but expected one of ([Organization])" },
    { PATIENT("\"link\":[{\"type\":\"refer\",\"other\":{\"reference\":\"Patient/1\","
              "\"type\":\"RelatedPerson\"}}]"),
      "Patient.link[0].other", "The type 'RelatedPerson' of the reference" },
    { PATIENT("\"contained\":[{\"resourceType\":\"Pazient\"}]"), "Patient.contained[0]",
      "unrecognized resource name 'Pazient'" },
    { PATIENT("\"contained\":[{\"resourceType\":\"Patient\",\"id\":\"p\",\"gender\":\"x\"}],"
              "\"link\":[{\"other\":{\"reference\":\"#p\"},\"type\":\"refer\"}]"),
      "Patient.contained[0].gender", "required from this value set" },
    { OBSERVATION("\"valueQuantity\":{\"value\":\"1\"}"), "Observation.value.value",
      "must be a number" },
    { OBSERVATION("\"valuePeriod\":{\"start\":\"2020-02\",\"end\":\"2020-01\"}"),
      "Observation.value", "per-1" },
    { OBSERVATION("\"valueInteger\":1,\"dataAbsentReason\":{\"text\":\"x\"}"), "Observation",
      "obs-6" },
    { OBSERVATION("\"referenceRange\":[{\"appliesTo\":[{\"text\":\"x\"}]}]"),
      "Observation.referenceRange[0]", "obs-3" },
    { "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{\"resource\":{"
      "\"resourceType\":\"Observation\",\"status\":\"final\"}}]}",
      "Bundle.entry[0].resource", "Observation.code: minimum required = 1, but only found 0" },
    { "{\"resourceType\":\"Bundle\"}", "Bundle", "Bundle.type: minimum required = 1" },
    { OBSERVATION("\"referenceRange\":[{\"low\":{\"value\":1,\"comparator\":\"<\"}}]"),
      "Observation.referenceRange[0].low", "sqty-1" },
    { PATIENT("\"language\":\"en_US\""), "Patient.language",
      "not found in the maximum value set http://hl7.org/fhir/ValueSet/all-languages" },
    { PATIENT("\"photo\":[{\"contentType\":\"png\",\"title\":\"x\"}]"),
      "Patient.photo[0].contentType", "ValueSet/mimetypes" },
    { "{\"resourceType\":\"Invoice\",\"status\":\"issued\",\"totalNet\":{\"value\":1,"
      "\"currency\":\"USX\"}}",
      "Invoice.totalNet.currency", "ValueSet/currencies" },
    { "{\"id\":\"x\"}", "Resource", "resourceType" },
};

/* ---- primitives ---- */

#define DATE(text) PATIENT("\"birthDate\":\"" text "\"")
#define AT(text) PATIENT("\"deceasedDateTime\":\"" text "\"")
#define NAME(member) PATIENT("\"name\":[{" member "}]")
#define SYSTEM(text) PATIENT("\"identifier\":[{\"value\":\"x\",\"system\":\"" text "\"}]")
#define PHOTO(text) PATIENT("\"photo\":[{\"contentType\":\"image/png\",\"data\":\"" text "\"}]")
#define RANK(text) PATIENT("\"telecom\":[{\"rank\":" text "}]")
#define DIV(text) PATIENT("\"text\":{\"status\":\"generated\",\"div\":\"" text "\"}")

static const struct fault primitives[] = {
    { DATE("2021-02-29"), "Patient.birthDate", "Not a valid date" },
    { DATE("2021-1-1"), "Patient.birthDate", "Not a valid date" },
    { DATE("0000"), "Patient.birthDate", "Not a valid date" },
    { DATE("2021-01-01T10:00:00Z"), "Patient.birthDate", "Not a valid date" },
    { AT("2021-02-30T10:00:00Z"), "Patient.deceased", "Not a valid date/time" },
    { AT("2021-02-03T24:00:00Z"), "Patient.deceased", "Not a valid date/time" },
    { AT("2021-02-03T10:00Z"), "Patient.deceased", "Not a valid date/time" },
    { AT("2021-02-03T10:00:00+14:01"), "Patient.deceased", "Not a valid date/time" },
    { AT("2021-02-03T10:00:00"), "Patient.deceased", "it must have a timezone" },
    { PATIENT("\"meta\":{\"lastUpdated\":\"2021-02-03\"}"), "Patient.meta.lastUpdated",
      "The instant '2021-02-03' is not valid" },
    { NAME("\"_given\":[null,null]"), "Patient.name[0].given[1]", "ele-1" },
    { NAME("\"_family\":{\"id\":\"x\"}"), "Patient.name[0].family", "ele-1" },
    { NAME("\"_family\":null"), "Patient.name[0].family", "must be an Object" },
    { NAME("\"family\":null"), "Patient.name[0].family", "not null" },
    { NAME("\"_given\":{\"id\":\"x\"}"), "Patient.name[0].given",
      "The property _given must be a JSON Array, not an Object (at Patient.name[0])" },
    { NAME("\"id\":\"x\""), "Patient.name[0]", "ele-1" },
    { SYSTEM("http://a b"), "Patient.identifier[0].system",
      "cannot have whitespace('http://a b')" },
    { SYSTEM("oid:1.2.3"), "Patient.identifier[0].system", "cannot start with oid:" },
    { SYSTEM("uuid:1"), "Patient.identifier[0].system", "cannot start with uuid:" },
    { SYSTEM("urn:oid:1.02"), "Patient.identifier[0].system", "OIDs must be valid (1.02)" },
    { SYSTEM("urn:uuid:1"), "Patient.identifier[0].system",
      "UUIDs must be valid and lowercase (1)" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\",\"valueUuid\":"
              "\"urn:uuid:0B5D0F4C-0000-4000-8000-0123456789AB\"}]"),
      "Patient.extension[0].value", "UUIDs must be valid and lowercase" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\",\"valueOid\":\"1.2.3\"}]"),
      "Patient.extension[0].value", "OIDs must start with urn:oid:" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"a  b\"}]"),
      "Patient.extension[0].value", "The code 'a  b' is not valid (whitespace rules)" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\",\"valueTime\":\"24:00:00\"}]"),
      "Patient.extension[0].value", "Not a valid time" },
    { PATIENT("\"extension\":[{\"url\":\"http://x\",\"valueId\":\"a_b\"}]"),
      "Patient.extension[0].value", "id value 'a_b' is not valid" },
    { PHOTO("AAA"), "Patient.photo[0].data", "The value 'AAA' is not a valid Base64 value" },
    { PHOTO("A=AA"), "Patient.photo[0].data", "not a valid Base64 value" },
    { RANK("0"), "Patient.telecom[0].rank", "less than permitted minimum value of 1" },
    { RANK("2147483648"), "Patient.telecom[0].rank", "is not a valid integer" },
    { RANK("1e0"), "Patient.telecom[0].rank", "is not a valid integer" },
    { DIV("<div " NS ">&nbsp;x</div>"), "Patient.text.div",
      "Invalid entity in the XHTML ('&nbsp;')" },
    { DIV("<div " NS ">&#0;x</div>"), "Patient.text.div", "('&#0;')" },
    { DIV("<div " NS "><p id='a' id='b'>x</p></div>"), "Patient.text.div", "stands twice" },
    { DIV("<div " NS "><p onclick='a'>x</p></div>"), "Patient.text.div",
      "Invalid attribute name in the XHTML ('onclick' on 'p')" },
    { DIV("<div " NS "><p href='a'>x</p></div>"), "Patient.text.div", "'href' on 'p'" },
    { DIV("<div " NS "><p><ul><li>x</li></ul></p></div>"), "Patient.text.div",
      "inside in a paragraph in the XHTML ('ul')" },
    { DIV("<div " NS "><a href='JavaScript:x()'>x</a></div>"), "Patient.text.div", "a script" },
    { DIV("<div " NS "><a href=''>x</a></div>"), "Patient.text.div", "it is empty" },
    { DIV("<div " NS "><img src='data:image/png;base64,AA'/></div>"), "Patient.text.div",
      "no base64" },
    { DIV("<div " NS ">x<p></div>"), "Patient.text.div", "not well-formed" },
    { DIV("<div " NS "> <br/></div>"), "Patient.text.div", "txt-2" },
    { DIV("<div " NS "><span xmlns='urn:x'>x</span></div>"), "Patient.text.div",
      "Wrong namespace on the XHTML ('urn:x'" },
    { DIV("<p " NS ">x</p>"), "Patient.text.div", "must start with div" },
    /* And what is right. */
    { DATE("2020-02-29"), NULL, NULL },
    { AT("2020"), NULL, NULL },
    { AT("2020-02-29T23:59:60.123456789-14:00"), NULL, NULL },
    { NAME("\"given\":[\"a\",null],\"_given\":[null,{\"extension\":[{\"url\":\"http://x\","
           "\"valueCode\":\"x\"}]},{\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"x\"}]}]"),
      NULL, NULL },
    { NAME("\"family\":\" x \""), NULL, NULL },
    { SYSTEM("urn:uuid:0B5D0F4C-0000-4000-8000-0123456789AB"), NULL, NULL },
    { SYSTEM("urn:oid:2.16.840.1.0"), NULL, NULL },
    { PHOTO("AA AA\\nAAA="), NULL, NULL },
    { RANK("2147483647"), NULL, NULL },
    { DIV("<div " NS " xml:lang='en' lang='en'><!-- c --><p class=\\\"a\\\">&amp;&#160;&#xe4;</p>"
          "<table border='1'><tr><td nowrap='nowrap'>x</td></tr></table>"
          "<a href='#x' name='y'>x</a><img src='data:image/png;base64,AAAA' alt='x'/></div>"),
      NULL, NULL },
};

static bool has_issue(const struct world *world, const struct fault *fault)
{
    for (struct issue *i = world->issues.first; i; i = i->next)
        if (slice_is(i->expression, fault->expression) &&
            slice_find(i->text, slice_cstr(fault->text)) >= 0)
            return true;
    return false;
}

static void expect_fault(struct world *world, const struct fault *fault)
{
    size_t errors = validate(world, slice_cstr(fault->json));
    bool is_as_said = fault->text ? errors > 0 && has_issue(world, fault) : errors == 0;
    if (is_as_said && errors <= 2)
        return;
    for (struct issue *issue = world->issues.first; issue; issue = issue->next)
        print_message("  %.*s: %.*s\n", SLICE_ARGS(issue->expression), SLICE_ARGS(issue->text));
    fail_msg("%s: %zu errors, expected %s: %s", fault->json, errors, fault->expression,
             fault->text);
}

static void each_fault_is_reported_at_its_place(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(faults); i++)
        expect_fault(*state, &faults[i]);
}

static void primitives_have_their_formats(void **state)
{
    for (size_t i = 0; i < ARRAY_COUNT(primitives); i++)
        expect_fault(*state, &primitives[i]);
}

/* Past what fits a literal: a text of 1 MB, counted in characters, and one more. */
static void a_text_has_a_mebi_of_characters_at_most(void **state)
{
    struct world *world = *state;
    for (size_t count = 1048576; count <= 1048577; count++) {
        struct buf b;
        buf_init(&b, 8 << 20);
        buf_append_cstr(&b, "{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"");
        for (size_t i = 0; i < count; i++)
            buf_append_cstr(&b, "\xc3\xa9");
        buf_append_cstr(&b, "\"}]}");
        assert_int_equal(validate(world, buf_slice(&b)), count > 1048576);
        buf_release(&b);
    }
}

static void what_is_doubtful_is_a_warning(void **state)
{
    struct world *world = *state;
    static const struct fault rows[] = {
        { NAME("\"family\":\"  \""), "Patient.name[0].family", "should not be only whitespace" },
        { NAME("\"family\":\"x \""), "Patient.name[0].family", "start or finish with whitespace" },
        { PATIENT("\"meta\":{\"profile\":[\"StructureDefinition/x\"]}"), "Patient.meta.profile[0]",
          "Canonical URLs must be absolute URLs if they are not fragment references" },
        { SYSTEM("urn:uuid:0B5D0F4C-0000-4000-8000-0123456789AB"), "Patient.identifier[0].system",
          "UUIDs must be valid and lowercase" },
        { PHOTO("AA AA"), "Patient.photo[0].data", "SHOULD not contain any whitespace" },
        { OBSERVATION("\"valueQuantity\":{\"value\":1234567890123456789.1}"),
          "Observation.value.value", "outside the range of commonly/reasonably supported" },
        { OBSERVATION("\"valueQuantity\":{\"value\":1e999999999999}"), "Observation.value.value",
          "outside the range" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        assert_int_equal(validate(world, slice_cstr(rows[i].json)), 0);
        if (!has_issue(world, &rows[i]))
            fail_msg("%s: no warning", rows[i].json);
    }
}

static void what_is_right_stays_quiet(void **state)
{
    struct world *world = *state;
    static const char *const good[] = {
        PATIENT("\"name\":[{\"given\":[\"a\",null],\"_given\":[null,{\"extension\":[{"
                "\"url\":\"http://x\",\"valueCode\":\"y\"}]}]}]"),
        PATIENT("\"_birthDate\":{\"extension\":[{\"url\":\"http://x\",\"valueCode\":\"y\"}]}"),
        PATIENT("\"deceasedDateTime\":\"2020-01-01T10:00:00.123456+02:00\""),
        PATIENT("\"extension\":[{\"url\":\"http://x\",\"extension\":[{\"url\":\"tint\","
                "\"valueCode\":\"x\"}]}]"),
        PATIENT("\"name\":[{\"family\":\"a\\tb\\n\\u00e9\"}]"),
        PATIENT("\"managingOrganization\":{\"type\":\"Organization\",\"display\":\"x\"}"),
        PATIENT("\"language\":\"de-CH\",\"photo\":[{\"contentType\":\"image/png\",\"title\":"
                "\"x\"}]"),
        "{\"resourceType\":\"Invoice\",\"status\":\"issued\",\"totalNet\":{\"value\":1,"
        "\"currency\":\"CHF\"}}",
        OBSERVATION("\"valueQuantity\":{\"value\":1,\"comparator\":\"<\",\"unit\":\"x\"}"),
        OBSERVATION("\"valueRange\":{\"low\":{\"value\":1,\"unit\":\"x\"},"
                    "\"high\":{\"value\":2,\"unit\":\"x\"}}"),
    };
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        if (validate(world, slice_cstr(good[i])) > 0)
            fail_msg("%s: %.*s", good[i], SLICE_ARGS(world->issues.first->text));
}

/* ---- hostile resources ---- */

static void many_contained_resources_take_linear_work(void **state)
{
    struct world *world = *state;
    struct buf b;
    enum { COUNT = 20000 };
    buf_init(&b, 64 << 20);
    buf_append_cstr(&b, "{\"resourceType\":\"Patient\",\"contained\":[");
    for (int i = 0; i < COUNT; i++)
        buf_printf(&b, "%s{\"resourceType\":\"Basic\",\"id\":\"c%d\",\"code\":{\"text\":\"x\"}}",
                   i ? "," : "", i);
    buf_append_cstr(&b, "],\"generalPractitioner\":[");
    for (int i = 0; i < COUNT; i++)
        buf_printf(&b, "%s{\"reference\":\"#c%d\"}", i ? "," : "", i);
    buf_append_cstr(&b, "]}");
    assert_int_equal(validate(world, buf_slice(&b)), 0);
    buf_release(&b);
}

static void contained_resources_are_named_from_somewhere(void **state)
{
    struct world *world = *state;
#define BASIC(id, more)                                                                            \
    "{\"resourceType\":\"Basic\",\"id\":\"" id "\",\"code\":{\"text\":\"x\"}" more "}"
#define HOLDER(contained, more) PATIENT("\"contained\":[" contained "]" more)
    static const struct {
        const char *json;
        const char *expression; /* of dom-3; NULL: none */
    } rows[] = {
        { HOLDER(BASIC("a", ""), ""), "Patient.contained[0]" },
        { HOLDER(BASIC("a", ""), ",\"extension\":[{\"url\":\"http://x\",\"valueReference\":"
                                 "{\"reference\":\"#a\"}}]"),
          NULL },
        { HOLDER(BASIC("a", ""), ",\"extension\":[{\"url\":\"http://x\",\"valueCanonical\":"
                                 "\"#a\"}]"),
          NULL },
        { HOLDER(BASIC("a", ""), ",\"text\":{\"status\":\"generated\",\"div\":\"<div " NS
                                 "><a href='#a'>x</a></div>\"}"),
          NULL },
        /* Its holder, itself, each other. */
        { HOLDER(BASIC("a", ",\"subject\":{\"reference\":\"#\"}"), ""), NULL },
        { HOLDER(BASIC("a", ",\"subject\":{\"reference\":\"#a\"}"), ""), NULL },
        { HOLDER(BASIC("a", ",\"subject\":{\"reference\":\"#b\"}") "," BASIC("b", ""), ""),
          "Patient.contained[0]" },
        { HOLDER(BASIC("a", ",\"subject\":{\"reference\":\"#b\"}") "," BASIC(
                     "b", ",\"subject\":{\"reference\":\"#a\"}"),
                 ""),
          NULL },
        /* "#" of the holder says nothing of what it contains. */
        { HOLDER(BASIC("a", ""), ",\"extension\":[{\"url\":\"http://x\",\"valueReference\":"
                                 "{\"reference\":\"#\"}}]"),
          "Patient.contained[0]" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct fault wanted = { rows[i].json, rows[i].expression, "(dom-3)" };
        size_t errors = validate(world, slice_cstr(rows[i].json));
        if (rows[i].expression ? !has_issue(world, &wanted) : errors > 0)
            fail_msg("%s: %.*s", rows[i].json, SLICE_ARGS(world->issues.first->text));
    }
}

static void ten_thousand_faults_are_counted_and_bounded(void **state)
{
    struct world *world = *state;
    struct buf b;
    buf_init(&b, 64 << 20);
    buf_append_cstr(&b, "{\"resourceType\":\"Patient\",\"name\":[0");
    for (int i = 1; i < 10000; i++)
        buf_append_cstr(&b, ",0");
    buf_append_cstr(&b, "]}");
    assert_int_equal(validate(world, buf_slice(&b)), ISSUES_MAX);
    assert_int_equal(world->issues.count, 10001); /* and no narrative: dom-6 */
    buf_release(&b);
}

/* ---- the official examples ---- */

/* Faults of the examples themselves. */
static const struct {
    const char *file, *reason;
} exceptions[] = {
    { "ActivityDefinition-blood-tubes-supply.json", "an empty narrative (txt-2)" },
    { "ActivityDefinition-heart-valve-replacement.json", "an empty narrative (txt-2)" },
    { "Questionnaire-zika-virus-exposure-assessment.json", "an empty narrative (txt-2)" },
    { "Questionnaire-qs1.json", "items without linkId" },
    { "DeviceUseStatement-example.json", "reasonReference to a Procedure" },
    { "Observation-clinical-gender.json", "performer is an Encounter" },
};

static bool is_exception(const char *file)
{
    for (size_t i = 0; i < ARRAY_COUNT(exceptions); i++)
        if (strstr(file, exceptions[i].file))
            return true;
    return false;
}

/* A ustar header's size field. */
static size_t tar_size(const char *header)
{
    size_t size = 0;
    for (const char *at = header + 124; at < header + 136 && *at >= '0' && *at <= '7'; at++)
        size = size * 8 + (size_t)(*at - '0');
    return size;
}

static void the_official_examples_are_valid(void **state)
{
    struct world *world = *state;
    char path[1024], name[101];
    struct buf tar;
    size_t count = 0;
    outside_path("r4/examples.tar.zst", path);
    buf_init(&tar, ARENA_BYTES);
    assert_int_equal(os_file_unpack(path, &tar), ERR_NONE);
    for (size_t at = 0; at + 512 <= tar.length && tar.bytes[at];) {
        const char *header = tar.bytes + at;
        size_t size = tar_size(header);
        snprintf(name, sizeof name, "%.100s", header);
        if (header[156] == '0' && slice_ends_with(slice_cstr(name), SLICE(".json"))) {
            struct arena_mark mark = arena_mark(&world->arena);
            size_t errors = validate(world, slice_of(header + 512, size));
            if ((errors > 0) != is_exception(name))
                fail_msg("%s: %zu errors, %.*s", name, errors,
                         SLICE_ARGS(errors ? world->issues.first->text : SLICE("none")));
            arena_rewind(&world->arena, mark);
            count++;
        }
        at += 512 + (size + 511) / 512 * 512;
    }
    assert_int_equal(count, 489);
    buf_release(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_is_reported_at_its_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(primitives_have_their_formats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_text_has_a_mebi_of_characters_at_most, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_doubtful_is_a_warning, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_right_stays_quiet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(contained_resources_are_named_from_somewhere, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_contained_resources_take_linear_work, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(ten_thousand_faults_are_counted_and_bounded, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_official_examples_are_valid, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
