/* In place of qmail-smtpd: says what relaying was granted, and ends. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *relay = getenv("RELAYCLIENT");
    puts(relay ? "open" : "closed");
    return 0;
}
