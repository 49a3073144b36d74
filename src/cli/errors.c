/* cli/errors.c - `tarn errors`: the table of all errors as answers show them. */
#include <stdio.h>

#include "base/err.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "json/json.h"

enum { TEXT_BYTES = 1 << 20 };

static void json_row(struct buf *out, enum err err)
{
    buf_printf(out, "{\"name\":\"%s\",\"status\":%d,\"code\":\"%s\",\"details\":", err_name(err),
               err_http_status(err), err_issue(err));
    if (err_details(err))
        json_write_string(out, slice_cstr(err_details(err)));
    else
        buf_append_cstr(out, "null");
    buf_printf(out,
               ",\"service\":{\"status\":%d,\"type\":\"%s\"},\"text\":", err_service_status(err),
               err_service_type(err));
    json_write_string(out, slice_cstr(err_text(err)));
    buf_append_byte(out, '}');
}

static void markdown_row(struct buf *out, enum err err)
{
    buf_printf(out, "| %s | %d | `%s` | %s | %d `%s` | %s |\n", err_name(err), err_http_status(err),
               err_issue(err), err_details(err) ? err_details(err) : "", err_service_status(err),
               err_service_type(err), err_text(err));
}

static void plain_row(struct buf *out, enum err err)
{
    buf_printf(out, "%-18s %d %-14s %d %-33s %s\n", err_name(err), err_http_status(err),
               err_issue(err), err_service_status(err), err_service_type(err), err_text(err));
}

/* ERR_NONE is no error. */
static void render(struct buf *out, bool as_json, bool as_markdown)
{
    if (as_json)
        buf_append_byte(out, '[');
    if (as_markdown)
        buf_append_cstr(out, "| error | FHIR | code | `details.text` | service | `diagnostics` "
                             "when nothing better is known |\n|---|---|---|---|---|---|\n");
    for (enum err err = ERR_NONE + 1; err < ERR_COUNT; err++) {
        if (as_json && err > ERR_NONE + 1)
            buf_append_cstr(out, ",\n ");
        if (as_json)
            json_row(out, err);
        else if (as_markdown)
            markdown_row(out, err);
        else
            plain_row(out, err);
    }
    if (as_json)
        buf_append_cstr(out, "]\n");
}

int cli_errors(int argc, char **argv)
{
    bool as_json = false, as_markdown = false;
    const struct option_row rows[] = {
        { "json", OPTION_SWITCH, NULL, NULL, "as JSON", &as_json },
        { "markdown", OPTION_SWITCH, NULL, NULL, "as docs/errors.md has it", &as_markdown },
        { 0 },
    };
    const struct option_usage usage = {
        .line = "tarn errors [options]",
        .about = "The table of errors: name, status and issue code on the data plane, status and\n"
                 "type on the control plane, and the text when nothing better is known.",
        .rows = rows
    };
    size_t argument_count;
    int status = options_parse(&usage, argc, argv, &argument_count);
    if (status >= 0)
        return status;
    struct buf out;
    buf_init(&out, TEXT_BYTES);
    render(&out, as_json, as_markdown);
    status = buf_status(&out) || fwrite(out.bytes, 1, out.length, stdout) != out.length;
    buf_release(&out);
    return status;
}
