/* Both ends of the bench of the mixer, in as little as it takes.
 *
 *   peer  <legs> <port> <mixer port> <seconds> [ports]   what rtpengine is to the mixer: sends 20 ms of RTP for each leg from
 *                                                127.1.a.b:port, and reads what comes back; prints how many came.
 *                                                ports: a file with a port of the mixer's for each leg, one a line
 *   floor <legs> <port> <mixer port> <seconds>   what no mixer can do without: reads all that comes, and sends a packet
 *                                                to each leg each 20 ms, in four phases, the same bytes every time;
 *                                                prints the microseconds of processor time that it took
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PACKET 172
#define PHASES 4
#define TICK_NS 5000000L
#define MOST 8192
#define BATCH 64

static struct mmsghdr out[MOST], in[BATCH];
static struct iovec out_part[MOST], in_part[BATCH];
static struct sockaddr_in to[MOST];
static uint8_t packet[MOST][PACKET], heard[BATCH][2048];
static char control[MOST][CMSG_SPACE(sizeof(struct in_pktinfo))];

static int bound(in_addr_t address, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = address};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room)) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) { perror("bind"); exit(1); }
  return fd;
}

static long drained(int fd) {
  long count = 0;
  for (int n = BATCH; n == BATCH; count += n > 0 ? n : 0) n = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 6 && argc != 7) return 2;
  int peer = !strcmp(argv[1], "peer"), legs = atoi(argv[2]), port = atoi(argv[3]), mixer = atoi(argv[4]);
  double seconds = atof(argv[5]);
  int fd = peer ? bound(INADDR_ANY, port) : bound(htonl(INADDR_LOOPBACK), mixer);
  for (int i = 0; i < BATCH; i++) {
    in_part[i] = (struct iovec){heard[i], sizeof heard[i]};
    in[i].msg_hdr = (struct msghdr){.msg_iov = &in_part[i], .msg_iovlen = 1};
  }
  FILE *ports = argc == 7 ? fopen(argv[6], "r") : NULL;
  for (int i = 0; i < legs; i++) {
    int place = mixer;
    if (ports && fscanf(ports, "%d", &place) != 1) return 2;
    for (int n = 12; n < PACKET; n++) packet[i][n] = 0x55 ^ (0x40 | (rand() & 0x8f));   /* a loud noise */
    memcpy(packet[i] + 8, &i, sizeof i);
    in_addr_t own = htonl(0x7F010000u + 1 + i);
    packet[i][0] = 0x80; packet[i][1] = 8;
    out_part[i] = (struct iovec){packet[i], PACKET};
    to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(peer ? place : port),
                                 .sin_addr.s_addr = peer ? htonl(INADDR_LOOPBACK) : own};
    out[i].msg_hdr = (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &out_part[i], .msg_iovlen = 1};
    if (peer) {
      out[i].msg_hdr.msg_control = control[i];
      out[i].msg_hdr.msg_controllen = sizeof control[i];
      struct cmsghdr *c = CMSG_FIRSTHDR(&out[i].msg_hdr);
      c->cmsg_level = IPPROTO_IP; c->cmsg_type = IP_PKTINFO; c->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
      struct in_pktinfo info = {.ipi_spec_dst.s_addr = own};
      memcpy(CMSG_DATA(c), &info, sizeof info);
    }
  }
  long received = 0;
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (long tick = 0; tick < seconds * 1e9 / TICK_NS; tick++) {
    next.tv_nsec += TICK_NS;
    if (next.tv_nsec >= 1000000000L) { next.tv_nsec -= 1000000000L; next.tv_sec++; }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    received += drained(fd);
    int first = legs * (tick % PHASES) / PHASES, last = legs * (tick % PHASES + 1) / PHASES;
    for (int i = first; i < last; i++) {
      uint16_t number = htons((uint16_t)(tick / PHASES));
      uint32_t stamp = htonl((uint32_t)(tick / PHASES * 160));
      memcpy(packet[i] + 2, &number, 2); memcpy(packet[i] + 4, &stamp, 4);
    }
    for (int at = first; at < last;) {
      int sent = sendmmsg(fd, out + at, last - at, MSG_DONTWAIT);
      at += sent > 0 ? sent : 1;
    }
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  long us = (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000L + used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  printf("%ld\n", peer ? received : us);
  return 0;
}
