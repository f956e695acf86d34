/* An echo server for one thread: the least a server can do with a load. Prints its port; ends when it is killed.

   Connections are few, and a peer that does not read blocks everyone: it is a yardstick, not a server. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define BUFFER_BYTES (256 * 1024)

static char buffer[BUFFER_BYTES];

static int write_all(int fd, const char *data, ssize_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written <= 0)
            return -1;
        data += written;
        size -= written;
    }
    return 0;
}

int main(void)
{
    struct pollfd watched[1 + CONNECTIONS_MAX];
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    int count = 1, one = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0
        || getsockname(listener, (struct sockaddr *)&address, &length) < 0) {
        perror("echo");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    watched[0].fd = listener;
    watched[0].events = POLLIN;
    for (;;) {
        if (poll(watched, count, -1) < 0) {
            perror("echo: poll");
            return 1;
        }
        for (int i = count - 1; i > 0; i--) {
            if (!watched[i].revents)
                continue;
            ssize_t size = read(watched[i].fd, buffer, sizeof buffer);
            if (size <= 0 || write_all(watched[i].fd, buffer, size) < 0) {
                close(watched[i].fd);
                watched[i] = watched[--count];
            }
        }
        if (watched[0].revents && count <= CONNECTIONS_MAX) {
            int fd = accept(listener, NULL, NULL);
            if (fd >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watched[count].fd = fd;
                watched[count].events = POLLIN;
                watched[count].revents = 0;
                count++;
            }
        }
    }
}
