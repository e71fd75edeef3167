#define _DEFAULT_SOURCE
#include "realtime.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Pages of address space and of resident memory, from the kernel's one-line summary. */
static bool read_memory(int64_t *ret_virtual, int64_t *ret_resident)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return false;
    long long virtual_pages, resident_pages;
    bool ok = fscanf(file, "%lld %lld", &virtual_pages, &resident_pages) == 2;
    fclose(file);
    if (!ok)
        return false;
    long page = sysconf(_SC_PAGESIZE);
    *ret_virtual = virtual_pages * page;
    *ret_resident = resident_pages * page;
    return true;
}

/* Open descriptors: all of them, and sockets among them. */
static void count_descriptors(int64_t *ret_files, int64_t *ret_sockets)
{
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return;
    int64_t files = 0, sockets = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char target[16];
        ssize_t len = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);
        files += len > 0;
        sockets += len >= 7 && memcmp(target, "socket:", 7) == 0;
    }
    closedir(folder);
    *ret_files = files;
    *ret_sockets = sockets;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Of one CPU, since the figure was last asked for. */
static double cpu_percent(void)
{
    static double last_cpu, last_time;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    double time = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    double percent = last_time > 0 && time > last_time ? 100 * (cpu - last_cpu) / (time - last_time)
                                                       : 0;
    last_cpu = cpu;
    last_time = time;
    return percent;
}

json_t *system_figures(void)
{
    int64_t vms = 0, rss = 0, files = 0, sockets = 0;
    read_memory(&vms, &rss);
    count_descriptors(&files, &sockets);
    double total = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    return json_pack("{s:f, s:I, s:I, s:f, s:I, s:I}", "cpu_percent", cpu_percent(), "memory_rss",
        (json_int_t)rss, "memory_vms", (json_int_t)vms, "memory_percent",
        total > 0 ? 100 * (double)rss / total : 0, "open_files", (json_int_t)files, "connections",
        (json_int_t)sockets);
}
