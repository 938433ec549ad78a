/* What poplock-allow does, in C: the least that such a program can cost. allow PROG... */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *spool = getenv("POPLOCK_SPOOL"), *ip = getenv("TCPREMOTEIP"), *user = getenv("USER");
    char id[64] = "", path[4096], text[1024];
    int file;
    if (argc < 2)
        return 0;
    if (spool && ip && user && (file = open("/proc/sys/kernel/random/uuid", O_RDONLY)) >= 0) {
        if (read(file, id, 36) == 36) {
            snprintf(path, sizeof path, "%s/login.%s", spool, id);
            snprintf(text, sizeof text,
                     "poplock 1\nip %s\nservice pop3\ntls unknown\nuser %s\nend\n", ip, user);
            close(file);
            if ((file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)) >= 0
                && write(file, text, strlen(text)) < 0)
                unlink(path);
        }
        close(file);
    }
    execv(argv[1], argv + 1);
    return 111;
}
