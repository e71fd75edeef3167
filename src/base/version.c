#include <spout/version.h>

const char *spout_version(void)
{
    return SPOUT_VERSION;
}
