/* The floor of a relay: what comes for a party leaves for it, one packet at a time.
 *
 *   relay_calls <parties> <port> <first> <seconds>   party n is 127.1.a.b:port; packets for its partner (n ^ 1) come
 *                                                    to 127.0.0.1:first+n, and leave from first+(n ^ 1);
 *                                                    prints the microseconds of processor time that it took
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MOST 1024

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int parties = atoi(argv[1]), port = atoi(argv[2]), first = atoi(argv[3]), sockets[MOST], ready = epoll_create1(0);
  if (parties > MOST) return 2;
  struct sockaddr_in who[MOST];
  for (int n = 0; n < parties; n++) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(first + n), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event wanted = {.events = EPOLLIN, .data.u32 = n};
    sockets[n] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(sockets[n], (struct sockaddr *)&at, sizeof at)) { perror("bind"); return 1; }
    epoll_ctl(ready, EPOLL_CTL_ADD, sockets[n], &wanted);
    who[n] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7F010000u + 1 + n)};
  }
  printf("ready\n");
  fflush(stdout);
  for (time_t end = time(NULL) + atoi(argv[4]); time(NULL) < end;) {
    struct epoll_event came[64];
    int count = epoll_wait(ready, came, 64, 100);
    for (int i = 0; i < count; i++) {
      uint8_t packet[2048];
      int n = came[i].data.u32, length = recv(sockets[n], packet, sizeof packet, 0);
      if (length > 0) sendto(sockets[n ^ 1], packet, length, 0, (struct sockaddr *)&who[n ^ 1], sizeof who[0]);
    }
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("%ld\n", (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  return 0;
}
