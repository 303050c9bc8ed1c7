/* To be preloaded: refuses what would leave this machine's processes, and notes it in the file $SOCKET_LOG. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what, const char *where) {
    char line[300];
    int length = snprintf(line, sizeof line, "%d %s %.200s\n", (int)getpid(), what, where ? where : "");
    int file = open(getenv("SOCKET_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0 || write(file, line, length) != length) abort(); /* nothing may go uncounted */
    close(file);
}

static int leaves(const struct sockaddr *to) { return to && to->sa_family != AF_UNIX && to->sa_family != AF_UNSPEC; }

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)service, (void)hints, (void)found;
    note("getaddrinfo", node);
    return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name) {
    note("gethostbyname", name);
    return NULL;
}

int connect(int socket, const struct sockaddr *to, socklen_t length) {
    if (!leaves(to)) return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(socket, to, length);
    note("connect", NULL);
    errno = ENETUNREACH;
    return -1;
}

ssize_t sendto(int socket, const void *bytes, size_t count, int flags, const struct sockaddr *to, socklen_t length) {
    if (!leaves(to))
        return ((ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "sendto"))(
            socket, bytes, count, flags, to, length);
    note("sendto", NULL);
    errno = ENETUNREACH;
    return -1;
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (!leaves(message->msg_name))
        return ((ssize_t (*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg"))(socket, message, flags);
    note("sendmsg", NULL);
    errno = ENETUNREACH;
    return -1;
}
