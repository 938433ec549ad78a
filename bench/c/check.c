/* What poplock-check does, in C: the least that such a wrapper can cost. check PROG... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *map = getenv("POPLOCK_MAP"), *ip = getenv("TCPREMOTEIP");
    char path[4096], boot[64], this[64] = "";
    unsigned long deadline;
    double uptime = 0;
    FILE *file;
    if (argc < 2 || !map || !ip || strchr(ip, '/'))
        return 111;
    snprintf(path, sizeof path, "%s/%s", map, ip);
    if ((file = fopen(path, "r"))) {
        int fields = fscanf(file, "%lu %63s", &deadline, boot);
        fclose(file);
        if ((file = fopen("/proc/uptime", "r"))) {
            if (fscanf(file, "%lf", &uptime) != 1)
                uptime = 1e300;
            fclose(file);
        }
        if ((file = fopen("/proc/sys/kernel/random/boot_id", "r"))) {
            if (fscanf(file, "%63s", this) != 1)
                this[0] = 0;
            fclose(file);
        }
        if (fields == 2 && uptime < (double)deadline && !strcmp(boot, this))
            setenv("RELAYCLIENT", "", 1);
    }
    execvp(argv[1], argv + 1);
    return 111;
}
