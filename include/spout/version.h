/* The version of these headers, and of the library that is linked. */
#ifndef SPOUT_VERSION_H
#define SPOUT_VERSION_H

#include <spout/base.h>

#define SPOUT_VERSION_MAJOR 0
#define SPOUT_VERSION_MINOR 1
#define SPOUT_VERSION_PATCH 0
#define SPOUT_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library in use, such as "0.1.0". Static. Never fails. */
SPOUT_API const char *spout_version(void);

#ifdef __cplusplus
}
#endif

#endif
