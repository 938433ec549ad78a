/* A client of DRAC on libtirpc, as rpcgen's code would call: it asks rpcbind for the port.
 *
 * Usage: drac_client HOST udp|tcp VERSION ADDRESS     prints the result, or why there was none.
 * VERSION 1 takes an IPv4 address, 2 an IPv6 one (`char[16]`, through xdr_vector and xdr_char).
 */
#include <arpa/inet.h>
#include <rpc/rpc.h>
#include <stdio.h>
#include <stdlib.h>

static bool_t xdr_chars(XDR *xdrs, char *address)
{
    return xdr_vector(xdrs, address, 16, sizeof(char), (xdrproc_t)xdr_char);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int version = atoi(argv[3]);
    CLIENT *client = clnt_create(argv[1], 900101, version, argv[2]);
    if (client == NULL) {
        clnt_pcreateerror("drac_client");
        return 1;
    }
    struct in6_addr ipv6;
    struct in_addr ipv4;
    int result = -1;
    struct timeval patience = {10, 0};
    enum clnt_stat status;
    if (version == 1) {
        inet_pton(AF_INET, argv[4], &ipv4);
        u_int number = ntohl(ipv4.s_addr);
        status = clnt_call(client, 1, (xdrproc_t)xdr_u_int, (caddr_t)&number, (xdrproc_t)xdr_enum,
                           (caddr_t)&result, patience);
    } else {
        inet_pton(AF_INET6, argv[4], &ipv6);
        status = clnt_call(client, 1, (xdrproc_t)xdr_chars, (caddr_t)&ipv6, (xdrproc_t)xdr_enum,
                           (caddr_t)&result, patience);
    }
    if (status != RPC_SUCCESS) {
        clnt_perror(client, "drac_client");
        return 1;
    }
    printf("%d\n", result);
    clnt_destroy(client);
    return 0;
}
