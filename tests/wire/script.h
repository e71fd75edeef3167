/* One wire script: bytes and expectations in a text file. */
#ifndef TESTS_WIRE_SCRIPT_H
#define TESTS_WIRE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

/* Runs the script on a fresh loop and server. False with one line that says where and what went
   wrong. */
bool script_run(const char *path, char *complaint, size_t size);

#endif
