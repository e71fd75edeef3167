/* JSON in and out. */
#include "http/json.h"

#include <spout/escape.h>

#include "web/arguments.h"

static void drop_json(void *arg)
{
    json_decref(arg);
}

json_t *spout_need_json(spout_request *r)
{
    spi_input *input = spi_request_input(r);
    if (input->json)
        return input->json;
    input->json = spout_json_parse(r->exchange->body);
    if (!input->json) {
        spout_error_set_status(400, "Invalid body: %s", spout_error_message());
        return NULL;
    }
    spi_arena_on_reset(spi_request_arena(r), drop_json, input->json);
    return input->json;
}

static int append(const char *piece, size_t len, void *arg)
{
    return spi_response_append(arg, piece, len) < 0 ? -1 : 0;
}

static int write_value(spout_request *r, const json_t *value)
{
    if (!value)
        return spout_error_wrap(
            SPOUT_EINVAL, "spout_write_json was given NULL: the value could not be built");
    if (!spi_json_value_is_shallow(value))
        return spout_error_set(
            SPOUT_ELIMIT, "spout_write_json: nested deeper than %d", SPI_JSON_MAX_DEPTH);
    if (r->response.ended)
        return spi_response_append(r, "", 0);
    if (!r->response.head_sent) {
        spi_response_put_type(r, "application/json; charset=UTF-8");
        r->response.type_set = true;
    }
    spout_error_clear();
    if (json_dump_callback(value, append, r, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return 0;
    return spout_error_current()
               ? spout_error_code_current()
               : spout_error_set(SPOUT_EINVAL, "spout_write_json: the value is not valid");
}

int spout_write_json(spout_request *r, json_t *value)
{
    int result = write_value(r, value);
    json_decref(value);
    return result < 0 ? spi_request_stick(r) : 0;
}
