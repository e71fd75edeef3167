/* A temporary folder with files, for tests of what is served from disk. One at a time. */
#ifndef TEST_WEB_FOLDER_H
#define TEST_WEB_FOLDER_H

void folder_make(void);
void folder_remove(void);
const char *folder_path(const char *name);             /* one of four buffers that take turns */
void folder_write(const char *name, const char *text); /* makes the folders on the way */

#endif
