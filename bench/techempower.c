/*
 * The first two of the TechEmpower tests, as anybody would write them: /plaintext and /json.
 */
#include <spout.h>

static int plaintext(spout_request *r)
{
    spout_set_header(r, "Content-Type", "text/plain; charset=UTF-8");
    return spout_write(r, "Hello, World!");
}

static int json(spout_request *r)
{
    return spout_write_json(r, json_pack("{s:s}", "message", "Hello, World!"));
}

static const spout_route routes[] = {
    { "/plaintext", &(const spout_handler){ .get = plaintext } },
    { "/json", &(const spout_handler){ .get = json } },
    { 0 },
};

int main(int argc, char **argv)
{
    return spout_main(argc, argv, routes, NULL);
}
