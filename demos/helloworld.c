#include <spout.h>

static int hello(spout_request *r)
{
    return spout_write(r, "Hello, world");
}

static const spout_route routes[] = {
    { "/", &(const spout_handler){ .get = hello } },
    { 0 },
};

int main(int argc, char **argv)
{
    return spout_main(argc, argv, routes, NULL);
}
