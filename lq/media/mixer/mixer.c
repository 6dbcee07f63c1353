/* The mixer's inner loop: one thread, one UDP socket, 20 ms frames of A-law for every leg.
 *
 * Legs are told apart by source address (rtpengine has a port of its own for each). The legs are spread over four phases
 * 5 ms apart, so that a tick never sends more than a quarter of them at once. The clock is absolute: a late tick does not
 * move the next one. Python calls the short functions below; each takes the lock, which a tick holds while it works.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME 160              /* 20 ms at 8 kHz */
#define PACKET (12 + FRAME)
#define PHASES 4
#define TICK_NS 5000000L
#define SILENCE 0xD5           /* A-law zero, ITU-T G.711 */
#define BATCH 64
#define MOST_PER_TICK 4096     /* packets read before the clock is looked at again: a flood cannot stop the music */
#define ECHO_ROOM 1600         /* 200 ms */
#define ECHO_CUSHION 320       /* 40 ms held back against jitter */
#define LATENESS 16384

enum { M_SILENT, M_FILE, M_ECHO };

typedef struct {
  uint32_t ip, ssrc, ts, serial;
  uint16_t port, seq;
  uint8_t used, mode, repeat, marker;
  const uint8_t *data;         /* kept alive by Python until replaced */
  int64_t length, at;
  uint8_t echo[ECHO_ROOM];
  int echo_fill, echo_flowing;
} leg_t;

typedef struct { int32_t slot; uint32_t serial; } done_t;

typedef struct mixer {
  int fd, wake, capacity, hash_size, stop;
  leg_t *legs;
  int32_t *hash;
  done_t *done; int done_count;
  uint8_t *out; struct mmsghdr *header; struct iovec *part; struct sockaddr_in *to;
  int32_t lateness[LATENESS]; uint64_t ticks, received, sent, strangers;
  pthread_mutex_t lock;
} mixer;

static uint32_t where(const mixer *m, uint32_t ip, uint16_t port) {
  uint64_t key = ((uint64_t)ip << 16 | port) * 0x9E3779B97F4A7C15ull;
  return (uint32_t)(key >> 40) & (m->hash_size - 1);
}

static int find(const mixer *m, uint32_t ip, uint16_t port) {
  for (uint32_t i = where(m, ip, port);; i = (i + 1) & (m->hash_size - 1)) {
    int slot = m->hash[i];
    if (slot < 0) return -1;
    if (m->legs[slot].ip == ip && m->legs[slot].port == port) return slot;
  }
}

static void rehash(mixer *m) {
  memset(m->hash, 255, sizeof *m->hash * m->hash_size);
  for (int slot = 0; slot < m->capacity; slot++)
    if (m->legs[slot].used) {
      uint32_t i = where(m, m->legs[slot].ip, m->legs[slot].port);
      while (m->hash[i] >= 0) i = (i + 1) & (m->hash_size - 1);
      m->hash[i] = slot;
    }
}

mixer *mixer_new(int fd, int capacity) {
  mixer *m = calloc(1, sizeof *m);
  if (!m) return NULL;
  m->fd = fd; m->capacity = capacity;
  for (m->hash_size = 64; m->hash_size < 4 * capacity; m->hash_size *= 2) {}
  m->legs = calloc(capacity, sizeof *m->legs);
  m->hash = malloc(sizeof *m->hash * m->hash_size);
  m->done = calloc(capacity, sizeof *m->done);
  m->out = calloc(capacity, PACKET);
  m->header = calloc(capacity, sizeof *m->header);
  m->part = calloc(capacity, sizeof *m->part);
  m->to = calloc(capacity, sizeof *m->to);
  m->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (!m->legs || !m->hash || !m->done || !m->out || !m->header || !m->part || !m->to || m->wake < 0) return NULL;
  rehash(m);
  pthread_mutex_init(&m->lock, NULL);
  return m;
}

int mixer_wake_fd(const mixer *m) { return m->wake; }

/* A slot for this address, -1 when all are taken or the address has one. ip in network order. */
int mixer_join(mixer *m, uint32_t ip, uint16_t port, uint32_t ssrc, uint16_t seq, uint32_t ts) {
  pthread_mutex_lock(&m->lock);
  int slot = -1;
  if (find(m, ip, port) < 0)
    for (slot = 0; slot < m->capacity && m->legs[slot].used; slot++) {}
  if (slot >= m->capacity) slot = -1;
  if (slot >= 0) {
    leg_t *leg = &m->legs[slot];
    memset(leg, 0, sizeof *leg);
    leg->ip = ip; leg->port = port; leg->ssrc = ssrc; leg->seq = seq; leg->ts = ts; leg->used = 1; leg->marker = 1;
    rehash(m);
  }
  pthread_mutex_unlock(&m->lock);
  return slot;
}

void mixer_leave(mixer *m, int slot) {
  pthread_mutex_lock(&m->lock);
  m->legs[slot].used = 0;
  rehash(m);
  pthread_mutex_unlock(&m->lock);
}

void mixer_play(mixer *m, int slot, const uint8_t *data, int64_t length, int64_t at, int repeat, uint32_t serial) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  leg->data = data; leg->length = length; leg->at = at; leg->repeat = repeat; leg->serial = serial; leg->mode = M_FILE;
  leg->marker = 1;
  pthread_mutex_unlock(&m->lock);
}

static void quiet(mixer *m, int slot, int mode) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  leg->mode = mode; leg->data = NULL; leg->serial = 0; leg->echo_fill = 0; leg->echo_flowing = 0;
  pthread_mutex_unlock(&m->lock);
}
void mixer_silence(mixer *m, int slot) { quiet(m, slot, M_SILENT); }
void mixer_echo(mixer *m, int slot) { quiet(m, slot, M_ECHO); }

/* Plays that have ended since the last call; at most `most`. */
int mixer_done(mixer *m, int32_t *slots, uint32_t *serials, int most) {
  pthread_mutex_lock(&m->lock);
  int n = m->done_count < most ? m->done_count : most;
  for (int i = 0; i < n; i++) { slots[i] = m->done[i].slot; serials[i] = m->done[i].serial; }
  memmove(m->done, m->done + n, sizeof *m->done * (m->done_count - n));
  m->done_count -= n;
  pthread_mutex_unlock(&m->lock);
  return n;
}

/* ticks, received, sent, packets of strangers; then up to LATENESS values in us. Returns how many of those. */
int mixer_stats(mixer *m, uint64_t *counts, int32_t *lateness, int most) {
  pthread_mutex_lock(&m->lock);
  counts[0] = m->ticks; counts[1] = m->received; counts[2] = m->sent; counts[3] = m->strangers;
  int n = m->ticks < LATENESS ? (int)m->ticks : LATENESS;
  if (n > most) n = most;
  memcpy(lateness, m->lateness, sizeof *lateness * n);
  pthread_mutex_unlock(&m->lock);
  return n;
}

void mixer_stop(mixer *m) { __atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED); }

static void hear(leg_t *leg, const uint8_t *payload, int length) {
  if (leg->mode != M_ECHO || length <= 0) return;
  if (length > ECHO_ROOM) length = ECHO_ROOM;
  int over = leg->echo_fill + length - ECHO_ROOM;
  if (over > 0) { memmove(leg->echo, leg->echo + over, leg->echo_fill - over); leg->echo_fill -= over; }
  memcpy(leg->echo + leg->echo_fill, payload, length);
  leg->echo_fill += length;
}

static void receive(mixer *m) {
  static uint8_t buffer[BATCH][2048];
  static struct sockaddr_in from[BATCH];
  static struct iovec part[BATCH];
  static struct mmsghdr header[BATCH];
  for (int total = 0; total < MOST_PER_TICK;) {
    for (int i = 0; i < BATCH; i++) {
      part[i] = (struct iovec){buffer[i], sizeof buffer[i]};
      header[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &part[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(m->fd, header, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) return;
    total += n; m->received += n;
    for (int i = 0; i < n; i++) {
      int slot = find(m, from[i].sin_addr.s_addr, ntohs(from[i].sin_port));
      if (slot < 0) { m->strangers++; continue; }
      const uint8_t *b = buffer[i];
      int size = header[i].msg_len;
      if (size < 12 || b[0] >> 6 != 2 || (b[1] & 127) != 8) continue;
      int start = 12 + 4 * (b[0] & 15);
      if (b[0] & 16) {
        if (size < start + 4) continue;
        start += 4 + 4 * (b[start + 2] << 8 | b[start + 3]);
      }
      if (start < size) hear(&m->legs[slot], b + start, size - start);
    }
    if (n < BATCH) return;
  }
}

static void fill(mixer *m, int slot, uint8_t *frame) {
  leg_t *leg = &m->legs[slot];
  int n = 0;
  if (leg->mode == M_FILE) {
    while (n < FRAME) {
      int64_t left = leg->length - leg->at;
      if (left <= 0) {
        if (!leg->repeat || leg->length <= 0) break;
        leg->at = 0;
        continue;
      }
      int take = left < FRAME - n ? (int)left : FRAME - n;
      memcpy(frame + n, leg->data + leg->at, take);
      leg->at += take; n += take;
    }
    if (leg->at >= leg->length && !leg->repeat) {
      leg->mode = M_SILENT; leg->data = NULL;
      if (m->done_count < m->capacity) m->done[m->done_count++] = (done_t){slot, leg->serial};
    }
  } else if (leg->mode == M_ECHO) {
    if (leg->echo_fill >= ECHO_CUSHION) leg->echo_flowing = 1;
    if (leg->echo_fill < FRAME) leg->echo_flowing = 0;
    if (leg->echo_flowing) {
      memcpy(frame, leg->echo, FRAME);
      leg->echo_fill -= FRAME; n = FRAME;
      memmove(leg->echo, leg->echo + FRAME, leg->echo_fill);
    }
  }
  memset(frame + n, SILENCE, FRAME - n);
}

static void send_phase(mixer *m, int phase) {
  int n = 0;
  for (int slot = phase; slot < m->capacity; slot += PHASES) {
    leg_t *leg = &m->legs[slot];
    if (!leg->used) continue;
    uint8_t *p = m->out + (size_t)n * PACKET;
    uint32_t ts = htonl(leg->ts), ssrc = htonl(leg->ssrc);
    p[0] = 0x80; p[1] = 8 | (leg->marker ? 0x80 : 0); p[2] = leg->seq >> 8; p[3] = (uint8_t)leg->seq;
    memcpy(p + 4, &ts, 4); memcpy(p + 8, &ssrc, 4);
    fill(m, slot, p + 12);
    leg->marker = 0; leg->seq++; leg->ts += FRAME;
    m->to[n] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(leg->port), .sin_addr.s_addr = leg->ip};
    m->part[n] = (struct iovec){p, PACKET};
    m->header[n].msg_hdr = (struct msghdr){.msg_name = &m->to[n], .msg_namelen = sizeof m->to[n], .msg_iov = &m->part[n], .msg_iovlen = 1};
    n++;
  }
  for (int at = 0; at < n;) {
    int sent = sendmmsg(m->fd, m->header + at, n - at, MSG_DONTWAIT);
    if (sent > 0) { at += sent; m->sent += sent; }
    else if (errno == EINTR) continue;
    else at++;                 /* a closed port of one leg (ECONNREFUSED), a full buffer: the others go on */
  }
}

/* Runs until mixer_stop. Returns 1 if the thread got real-time priority, 0 if not (it ran all the same). */
int mixer_run(mixer *m) {
  struct sched_param wanted = {.sched_priority = 10};
  int realtime = pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0;
  struct timespec next, now;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (int phase = 0; !__atomic_load_n(&m->stop, __ATOMIC_RELAXED); phase = (phase + 1) % PHASES) {
    next.tv_nsec += TICK_NS;
    if (next.tv_nsec >= 1000000000L) { next.tv_nsec -= 1000000000L; next.tv_sec++; }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {}
    pthread_mutex_lock(&m->lock);
    receive(m);
    send_phase(m, phase);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t late = (now.tv_sec - next.tv_sec) * 1000000L + (now.tv_nsec - next.tv_nsec) / 1000;
    m->lateness[m->ticks % LATENESS] = late > INT32_MAX ? INT32_MAX : (int32_t)late;
    m->ticks++;
    int woken = m->done_count > 0;
    pthread_mutex_unlock(&m->lock);
    if (late > 1000000) clock_gettime(CLOCK_MONOTONIC, &next);   /* stopped for a second (SIGSTOP): do not catch up */
    if (woken) { uint64_t one = 1; if (write(m->wake, &one, 8) < 0 && errno != EAGAIN) break; }
  }
  return realtime;
}
