/* qmail's POP3 chain in three roles, each as little as it can be:
 *   pop3 popup PROG...      USER and PASS; runs PROG with them on descriptor 3, waits for its end
 *   pop3 checkpassword PROG...   takes any password, sets USER, becomes PROG
 *   pop3 pop3d              says +OK, waits for a line, says +OK
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *line(char *buffer, size_t size) /* one byte at a time: the rest is the next program's */
{
    size_t n = 0;
    while (n < size - 1 && read(0, buffer + n, 1) == 1 && buffer[n] != '\n')
        if (buffer[n] != '\r')
            n++;
    buffer[n] = 0;
    return buffer;
}

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(1);
}

static int popup(char **prog)
{
    char text[512], both[1024];
    size_t size;
    int fds[2], status;
    say("+OK <1.2@mx>\r\n");
    size = 1 + (size_t)snprintf(both, 512, "%s", line(text, sizeof text) + 5);
    say("+OK\r\n");
    size += 1 + (size_t)snprintf(both + size, 512, "%s", line(text, sizeof text) + 5);
    both[size++] = 0;
    if (pipe(fds) || write(fds[1], both, size) < 0)
        return 111;
    close(fds[1]);
    if (fork() == 0) {
        if (dup2(fds[0], 3) < 0)
            _exit(111);
        execv(prog[0], prog);
        _exit(111);
    }
    wait(&status);
    if (status)
        say("-ERR authorization failed\r\n");
    return 0;
}

int main(int argc, char **argv)
{
    char text[512] = "";
    if (argc > 2 && !strcmp(argv[1], "popup"))
        return popup(argv + 2);
    if (argc > 2 && !strcmp(argv[1], "checkpassword")) {
        if (read(3, text, sizeof text - 1) <= 0)
            return 2;
        close(3);
        setenv("USER", text, 1);
        execv(argv[2], argv + 2);
        return 111;
    }
    say("+OK \r\n");
    line(text, sizeof text);
    say("+OK \r\n");
    return 0;
}
