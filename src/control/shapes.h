/* control/shapes.h - the operations' requests as tables; private. */
#ifndef CONTROL_SHAPES_H
#define CONTROL_SHAPES_H

#include "control/shape.h"

extern const struct shape shape_create_datastore;
extern const struct shape shape_datastore_id; /* Describe, Delete */
extern const struct shape shape_list_datastores;
extern const struct shape shape_update_datastore;
extern const struct shape shape_tag_resource, shape_untag_resource, shape_list_tags;
extern const struct shape shape_start_import, shape_start_export;
extern const struct shape shape_describe_job; /* import and export */
extern const struct shape shape_list_jobs;

enum { TAGS_MAX = 200 };

#endif
