/* cli/limits.c - `tarn limits`: every limit, its presets, and how to set it. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "json/json.h"

enum { TEXT_BYTES = 1 << 20, NUMBER_BYTES = 32 };

/* "256 MB", "100", "none". */
static void number_render(const struct limit_row *row, uint64_t value, char out[NUMBER_BYTES])
{
    if (!value)
        snprintf(out, NUMBER_BYTES, "none");
    else if (strcmp(row->unit, "bytes") == 0 && value % ((uint64_t)1 << 20) == 0)
        snprintf(out, NUMBER_BYTES, "%llu MB", (unsigned long long)(value >> 20));
    else if (strcmp(row->unit, "bytes") == 0 && value % 1024 == 0)
        snprintf(out, NUMBER_BYTES, "%llu KB", (unsigned long long)(value >> 10));
    else
        snprintf(out, NUMBER_BYTES, "%llu", (unsigned long long)value);
}

static void setting_render(const struct limit_row *row, struct buf *out)
{
    if (row->is_fixed)
        buf_append_cstr(out, "fixed");
    else if (row->setting)
        buf_printf(out, "%s", row->setting);
    else
        buf_printf(out, "--limit %s=N", row->name);
}

static void json_row(const struct limit_row *row, struct buf *out)
{
    buf_printf(out,
               "{\"name\":\"%s\",\"unit\":\"%s\",\"value\":%llu,\"open\":%llu,\"guide\":%llu,"
               "\"healthlake\":%llu,\"setting\":\"",
               row->name, row->unit, (unsigned long long)row->value, (unsigned long long)row->open,
               (unsigned long long)row->guide, (unsigned long long)row->healthlake);
    setting_render(row, out);
    buf_append_cstr(out, "\",\"meaning\":");
    json_write_string(out, slice_cstr(row->meaning));
    buf_append_byte(out, '}');
}

static void markdown_row(const struct limit_row *row, struct buf *out)
{
    char open[NUMBER_BYTES], guide[NUMBER_BYTES], healthlake[NUMBER_BYTES];
    number_render(row, row->open, open);
    number_render(row, row->guide, guide);
    number_render(row, row->healthlake, healthlake);
    buf_printf(out, "| `%s` | %s | %s | %s | %s | %s | ", row->name, row->meaning, row->unit, open,
               guide, healthlake);
    setting_render(row, out);
    buf_append_cstr(out, " |\n");
}

static void plain_row(const struct limit_row *row, struct buf *out)
{
    char value[NUMBER_BYTES];
    number_render(row, row->value, value);
    buf_printf(out, "%-26s %10s %-17s %s\n", row->name, value,
               strcmp(row->unit, "bytes") == 0 && row->value ? "" : row->unit, row->meaning);
}

enum form { FORM_PLAIN, FORM_JSON, FORM_MARKDOWN };

static void render(const struct limits *limits, enum form form, struct buf *out)
{
    static const char *const begin[] = {
        "", "[",
        ("| limit | of what | unit | open | guide | healthlake | setting |\n"
         "|---|---|---|---|---|---|---|\n")
    };
    buf_append_cstr(out, begin[form]);
    for (size_t i = 0; i < limits_count(); i++) {
        struct limit_row row;
        limits_row(limits, i, &row);
        if (form == FORM_JSON) {
            buf_append_cstr(out, i ? ",\n " : "");
            json_row(&row, out);
        } else if (form == FORM_MARKDOWN) {
            markdown_row(&row, out);
        } else {
            plain_row(&row, out);
        }
    }
    if (form == FORM_JSON)
        buf_append_cstr(out, "]\n");
}

int cli_limits(int argc, char **argv)
{
    const char *behave = "open", *rates = NULL;
    struct option_list set = { 0 };
    bool as_json = false, as_markdown = false;
    const struct option_row rows[] = {
        { "behave", OPTION_TEXT, "PRESET", NULL, "open (default), guide or healthlake", &behave },
        { "rates", OPTION_TEXT, "RATES", NULL, "as of `tarn serve`", &rates },
        { "limit", OPTION_LIST, "NAME=N", NULL, "as of `tarn serve`", &set },
        { "json", OPTION_SWITCH, NULL, NULL, "as JSON, with all presets", &as_json },
        { "markdown", OPTION_SWITCH, NULL, NULL, "as docs/limits.md has it", &as_markdown },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn limits [options]",
        .about =
            "Every limit that a client can meet, as `tarn serve` with the same options has it.",
        .rows = rows
    };
    size_t argument_count;
    struct limits limits;
    int status = options_parse(&usage, argc, argv, &argument_count);
    if (status >= 0)
        return status;
    if (!limits_preset(slice_cstr(behave), &limits))
        return options_refuse("limits", "--behave: '%s' is none of open, guide, healthlake",
                              behave);
    if (rates && !limits_set_rates(&limits, slice_cstr(rates)))
        return options_refuse("limits", "--rates: '%s' is not understood", rates);
    for (size_t i = 0; i < set.count; i++)
        if (!limits_set(&limits, slice_cstr(set.items[i])))
            return options_refuse("limits", "--limit: '%s' is not understood", set.items[i]);
    struct buf out;
    buf_init(&out, TEXT_BYTES);
    render(&limits, as_json ? FORM_JSON : as_markdown ? FORM_MARKDOWN : FORM_PLAIN, &out);
    status = buf_status(&out) || fwrite(out.bytes, 1, out.length, stdout) != out.length;
    buf_release(&out);
    return status;
}
