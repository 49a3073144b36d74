#include "control/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/jobs.h"
#include "control/shapes.h"
#include "control/state.h"
#include "os/clock.h"

enum { BODY_BYTES_MAX = LIMIT_CONTROL_BODY_BYTES, JSON_DEPTH = 32 };

static const size_t ANSWER_BYTES_MAX = (size_t)32 << 20;

/* ---- operations ---- */

struct operation {
    const char *action; /* "healthlake:" and its name */
    const struct shape *input;
    operation_run *run;
};

#define ACTION_PREFIX "healthlake:"
#define TARGET_PREFIX "HealthLake."

static const struct operation operations[] = {
    { "healthlake:CreateFHIRDatastore", &shape_create_datastore, create_datastore },
    { "healthlake:DescribeFHIRDatastore", &shape_datastore_id, describe_datastore },
    { "healthlake:ListFHIRDatastores", &shape_list_datastores, list_datastores },
    { "healthlake:UpdateFHIRDatastore", &shape_update_datastore, update_datastore },
    { "healthlake:DeleteFHIRDatastore", &shape_datastore_id, delete_datastore },
    { "healthlake:TagResource", &shape_tag_resource, tag_resource },
    { "healthlake:UntagResource", &shape_untag_resource, untag_resource },
    { "healthlake:ListTagsForResource", &shape_list_tags, list_tags },
    { "healthlake:StartFHIRImportJob", &shape_start_import, start_import_job },
    { "healthlake:DescribeFHIRImportJob", &shape_describe_job, describe_import_job },
    { "healthlake:ListFHIRImportJobs", &shape_list_jobs, list_import_jobs },
    { "healthlake:StartFHIRExportJob", &shape_start_export, start_export_job },
    { "healthlake:DescribeFHIRExportJob", &shape_describe_job, describe_export_job },
    { "healthlake:ListFHIRExportJobs", &shape_list_jobs, list_export_jobs },
};

static const struct operation *find_operation(const struct http_request *r)
{
    const struct slice *target = http_header_find(r, "x-amz-target");
    if (!slice_is(r->method, "POST") || !target ||
        !slice_starts_with(*target, SLICE(TARGET_PREFIX)))
        return NULL;
    struct slice name = slice_from(*target, sizeof TARGET_PREFIX - 1);
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
        if (slice_is(name, operations[i].action + sizeof ACTION_PREFIX - 1))
            return &operations[i];
    }
    return NULL;
}

const char *control_action(const struct http_request *r)
{
    const struct operation *operation = find_operation(r);
    return operation ? operation->action : "healthlake:*";
}

/* ---- errors ---- */

enum err call_fail(struct call *call, enum err err, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct slice whole = slice_of(text, length < 0 ? 0 : MIN((size_t)length, sizeof text - 1));
    call->error_text = arena_printf(call->arena, "%.*s", SLICE_ARGS(whole));
    return err;
}

static void reply(struct http_request *r, int status, const char *type, const struct buf *body,
                  struct http_response *response)
{
    static const char bare[] = "{\"__type\":\"InternalServerException\",\"Message\":\"out of "
                               "memory\"}";
    *response = (struct http_response){ .status = status };
    char *copy = buf_status(body) ? NULL : arena_copy(r->arena, buf_slice(body));
    response->body = slice_of(copy, copy ? body->length : 0);
    if (!copy ||
        http_response_header(r, response, "Content-Type", SLICE("application/x-amz-json-1.0")) ||
        (type && http_response_header(r, response, "x-amzn-ErrorType", slice_cstr(type))))
        *response = (struct http_response){ .status = 503, .body = slice_cstr(bare) };
}

static void refuse(struct http_request *r, enum err err, struct slice text,
                   struct http_response *response)
{
    int status = err_service_status(err);
    const char *type = err_service_type(err);
    if (status >= 500) /* what went wrong inside is for the operator */
        log_line(LOG_ERROR, "control", "request %s: %s", r->id, err_text(err));
    struct buf body;
    buf_init(&body, 64 * 1024);
    buf_printf(&body, "{\"__type\":\"%s\",\"Message\":", type);
    json_write_string(&body, text.length ? text
                             : status >= 500
                                 ? SLICE("The service has met an error; try again later.")
                                 : slice_cstr(err_text(err)));
    buf_append_byte(&body, '}');
    reply(r, status, type, &body, response);
    buf_release(&body);
}

static void refuse_large(struct http_request *r, struct http_response *response)
{
    refuse(r, ERR_LIMIT, SLICE("The body of a request to / may have 1 MB at most."), response);
}

bool control_begin(struct http_request *r, struct http_response *response)
{
    if (r->content_length <= BODY_BYTES_MAX)
        return false;
    refuse_large(r, response);
    return true;
}

static void refuse_operation(struct http_request *r, struct http_response *response)
{
    const struct slice *target = http_header_find(r, "x-amz-target");
    struct slice text =
        target ? SLICE("This server does not know the operation that X-Amz-Target names.")
               : SLICE("POST / needs the header X-Amz-Target with an operation such as "
                       "HealthLake.ListFHIRDatastores; FHIR is below /datastore/{id}/r4/.");
    refuse(r, ERR_UNSUPPORTED, text, response);
}

/* ---- one operation ---- */

static enum err call_parse(struct call *call, const struct operation *operation,
                           struct json_doc *doc)
{
    /* Clients with nothing to say should send {}; services accept nothing, too. */
    struct slice body = slice_trim(call->http->body);
    struct json_limits limits = { .depth = JSON_DEPTH };
    struct json_error where;
    enum err err = json_parse(body.length ? body : SLICE("{}"), &limits, call->arena, doc, &where);
    if (err == ERR_SYNTAX || err == ERR_LIMIT)
        return call_fail(call, ERR_SYNTAX, "The body is no JSON object: line %u, column %u: %s.",
                         where.line, where.column, where.text);
    TRY(err);
    call->input = json_root(doc);
    return shape_check(operation->input, call->input, call->arena, &call->error_text);
}

static enum err call_run(struct call *call, const struct operation *operation)
{
    struct json_doc doc;
    TRY(call_parse(call, operation, &doc));
    mutex_lock(&call->control->changes);
    enum err err = operation->run(call);
    mutex_unlock(&call->control->changes);
    return err;
}

void control_handle(struct control *control, struct http_request *r, struct http_response *response)
{
    const struct operation *operation = find_operation(r);
    if (!operation) {
        refuse_operation(r, response);
        return;
    }
    if (r->body.length > BODY_BYTES_MAX) {
        refuse_large(r, response);
        return;
    }
    struct call call = { .control = control, .http = r, .arena = r->arena };
    call.now_us = os_now_us();
    buf_init(&call.out, ANSWER_BYTES_MAX);
    enum err err = call_run(&call, operation);
    if (err)
        refuse(r, err, call.error_text, response);
    else
        reply(r, 200, NULL, &call.out, response);
    buf_release(&call.out);
}

/* ---- birth and death ---- */

static enum err open_steps(struct control *control, struct arena *arena, struct slice *error)
{
    struct arena_mark mark = arena_mark(arena);
    TRY(registry_load(control, arena, error));
    TRY(jobs_load(control, arena, error));
    TRY(jobs_sweep(control, arena));
    arena_rewind(arena, mark); /* of the lists' files, which are text */
    TRY(host_open(control, control->by_default, arena, error));
    control->by_default->host = HOST_OPEN;
    TRY(thread_start(&control->worker, worker_run, control));
    control->is_running = true;
    for (; control->job_worker_count < JOB_THREADS; control->job_worker_count++)
        TRY(thread_start(&control->job_workers[control->job_worker_count], jobs_run, control));
    return ERR_NONE;
}

enum err control_open(const struct control_settings *settings, struct arena *arena,
                      struct control **ret_control, struct slice *error)
{
    /* Lives as long as the server. */
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return ERR_NO_MEMORY;
    control->settings = *settings;
    mutex_init(&control->changes);
    mutex_init(&control->lock);
    cond_init(&control->moved);
    enum err err = open_steps(control, arena, error);
    if (err) {
        enum err ignored = control_close(control);
        (void)ignored; /* the first error is the one to tell */
        return err;
    }
    *ret_control = control;
    return ERR_NONE;
}

enum err control_close(struct control *control)
{
    if (!control)
        return ERR_NONE;
    mutex_lock(&control->lock);
    control->stopping = true;
    cond_broadcast(&control->moved);
    mutex_unlock(&control->lock);
    if (control->is_running)
        thread_join(control->worker);
    for (unsigned i = 0; i < control->job_worker_count; i++)
        thread_join(control->job_workers[i]);
    enum err err = host_close_all(control);
    registry_free(control);
    jobs_free(control);
    cond_destroy(&control->moved);
    mutex_destroy(&control->lock);
    mutex_destroy(&control->changes);
    free(control);
    return err;
}
