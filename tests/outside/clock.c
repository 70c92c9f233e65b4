/* Adds the seconds that the file $JUMP holds to the wall clock of whatever is started with this. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, id, now), jump = 0;
    const char *path = getenv("JUMP");
    FILE *file = id == CLOCK_REALTIME && path ? fopen(path, "r") : NULL;
    if (file) {
        if (fscanf(file, "%ld", &jump) == 1) now->tv_sec += jump;
        fclose(file);
    }
    return result;
}
