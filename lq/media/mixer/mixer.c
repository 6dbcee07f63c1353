/* The mixer's inner loop: one thread, one UDP socket, 20 ms frames of A-law for every leg.
 *
 * Legs are told apart by source address (rtpengine has a port of its own for each). They are spread over four phases 5 ms
 * apart, so that a tick never sends more than a quarter of them at once. The clock is absolute: a late tick does not move
 * the next one; a stall of more than STALL_FRAMES is skipped and not caught up, for nobody wants to hear a second's
 * packets in a burst. RTP timestamps count on through it (RFC 3550 §5.1), prompts go on where they stood.
 *
 * Python calls the functions without `static`; each takes the lock, which a tick holds while it works (a millisecond or
 * two with a thousand legs). It inherits priority: an ordinary thread that holds it is not pushed aside meanwhile.
 * Every change is O(1) in legs: a stack of free slots, a hash of addresses, a dense list of slots for each phase.
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FRAME 160              /* 20 ms at 8 kHz */
#define FRAME_NS 20000000L
#define PACKET (12 + FRAME)
#define PCMA 8                 /* RFC 3551 */
#define PHASES 4
#define TICK_NS (FRAME_NS / PHASES)
#define STALL_FRAMES 3
#define SILENCE 0xD5           /* A-law zero, ITU-T G.711 */
#define BATCH 64
#define LARGEST 2048
#define MOST_PER_TICK 1024     /* packets read before the clock is looked at again: a flood cannot stop the music */
#define ECHO_ROOM 1600         /* 200 ms */
#define ECHO_CUSHION 320       /* 40 ms held back against jitter */
#define REORDERED 64           /* a sequence number that is further behind belongs to a sender who began anew */
#define LATENESS 16384

enum { M_SILENT, M_FILE, M_ECHO };

typedef struct {
  uint32_t ip, ssrc, ts;
  uint16_t port, seq;
  uint8_t phase, mode, marker;
  int32_t place;               /* in its phase's list */
  const uint8_t *data;         /* kept alive by Python until it has set another */
  int64_t length, at;
  int32_t times;               /* how often it is still heard; 0: for ever */
  uint32_t serial, ended;      /* what plays; what has ended and is not told yet (0: nothing) */
  uint8_t listed;              /* stands in mixer.done */
  uint8_t heard;               /* the two fields below are set */
  uint16_t heard_seq;
  uint32_t heard_ssrc;
  int echo_fill, echo_flowing;
  uint8_t echo[ECHO_ROOM];
} leg_t;

typedef struct mixer {
  int fd, wake, capacity, stop;
  uint32_t hash_mask;
  leg_t *legs;
  int32_t *hash;               /* address -> slot, linear probing; -1: empty */
  int32_t *free; int free_count;
  int32_t *active[PHASES]; int active_count[PHASES];
  int32_t *done; int done_count;
  uint8_t *out; struct mmsghdr *out_header; struct iovec *out_part; struct sockaddr_in *to;
  uint8_t in[BATCH][LARGEST]; struct mmsghdr in_header[BATCH]; struct iovec in_part[BATCH]; struct sockaddr_in from[BATCH];
  int32_t lateness[LATENESS];
  uint64_t ticks, received, sent, strangers, skipped;
  pthread_mutex_t lock;
} mixer;

/* -- address -> slot -------------------------------------------------------------------------------------------------- */

static uint32_t home(const mixer *m, uint32_t ip, uint16_t port) {
  uint64_t key = ((uint64_t)ip << 16 | port) * 0x9E3779B97F4A7C15ull;
  return (uint32_t)(key >> 40) & m->hash_mask;
}

/* Where this address stands in the hash, or the empty place where it would; there is always one, three in four are. */
static uint32_t place_of(const mixer *m, uint32_t ip, uint16_t port) {
  uint32_t i = home(m, ip, port);
  while (m->hash[i] >= 0 && (m->legs[m->hash[i]].ip != ip || m->legs[m->hash[i]].port != port)) i = (i + 1) & m->hash_mask;
  return i;
}

static int find(const mixer *m, uint32_t ip, uint16_t port) { return m->hash[place_of(m, ip, port)]; }

/* Those behind it move up if their home lies at or before the hole (Knuth, TAOCP 6.4, algorithm R). */
static void hash_remove(mixer *m, uint32_t hole) {
  for (uint32_t i = (hole + 1) & m->hash_mask; m->hash[i] >= 0; i = (i + 1) & m->hash_mask) {
    const leg_t *leg = &m->legs[m->hash[i]];
    if (((i - home(m, leg->ip, leg->port)) & m->hash_mask) < ((i - hole) & m->hash_mask)) continue;
    m->hash[hole] = m->hash[i];
    hole = i;
  }
  m->hash[hole] = -1;
}

/* -- life ------------------------------------------------------------------------------------------------------------- */

void mixer_free(mixer *m) {
  if (m->wake >= 0) close(m->wake);
  for (int phase = 0; phase < PHASES; phase++) free(m->active[phase]);
  free(m->legs); free(m->hash); free(m->free); free(m->done);
  free(m->out); free(m->out_header); free(m->out_part); free(m->to);
  free(m);
}

mixer *mixer_new(int fd, int capacity) {
  mixer *m = calloc(1, sizeof *m);
  if (!m) return NULL;
  size_t hash_size = 64;
  while (hash_size < 4 * (size_t)capacity) hash_size *= 2;
  m->fd = fd; m->capacity = capacity; m->hash_mask = hash_size - 1;
  m->legs = calloc(capacity, sizeof *m->legs);
  m->hash = malloc(hash_size * sizeof *m->hash);
  m->free = calloc(capacity, sizeof *m->free);
  m->done = calloc(capacity, sizeof *m->done);
  m->out = calloc(capacity, PACKET);
  m->out_header = calloc(capacity, sizeof *m->out_header);
  m->out_part = calloc(capacity, sizeof *m->out_part);
  m->to = calloc(capacity, sizeof *m->to);
  m->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  int whole = m->legs && m->hash && m->free && m->done && m->out && m->out_header && m->out_part && m->to && m->wake >= 0;
  for (int phase = 0; phase < PHASES; phase++) whole &= (m->active[phase] = calloc(capacity, sizeof(int32_t))) != NULL;
  if (!whole) { mixer_free(m); return NULL; }
  memset(m->hash, 255, hash_size * sizeof *m->hash);
  for (int slot = capacity - 1; slot >= 0; slot--) m->free[m->free_count++] = slot;
  for (int i = 0; i < BATCH; i++) {
    m->in_part[i] = (struct iovec){m->in[i], LARGEST};
    m->in_header[i].msg_hdr = (struct msghdr){.msg_name = &m->from[i], .msg_iov = &m->in_part[i], .msg_iovlen = 1};
  }
  pthread_mutexattr_t inheriting;
  pthread_mutexattr_init(&inheriting);
  pthread_mutexattr_setprotocol(&inheriting, PTHREAD_PRIO_INHERIT);
  pthread_mutex_init(&m->lock, &inheriting);
  pthread_mutexattr_destroy(&inheriting);
  return m;
}

int mixer_wake_fd(const mixer *m) { return m->wake; }

/* A slot for this address, -1 when all are taken or the address has one. ip in network order. */
int mixer_join(mixer *m, uint32_t ip, uint16_t port, uint32_t ssrc, uint16_t seq, uint32_t ts) {
  pthread_mutex_lock(&m->lock);
  int slot = -1;
  uint32_t place = place_of(m, ip, port);
  if (m->hash[place] < 0 && m->free_count) {
    slot = m->free[--m->free_count];
    int phase = 0;
    for (int other = 1; other < PHASES; other++)
      if (m->active_count[other] < m->active_count[phase]) phase = other;
    leg_t *leg = &m->legs[slot];
    uint8_t listed = leg->listed;          /* for a leg that had this slot before; nothing is told of it */
    memset(leg, 0, sizeof *leg);
    leg->listed = listed;
    leg->ip = ip; leg->port = port; leg->ssrc = ssrc; leg->seq = seq; leg->ts = ts; leg->marker = 1;
    leg->phase = phase; leg->place = m->active_count[phase];
    m->active[phase][m->active_count[phase]++] = slot;
    m->hash[place] = slot;
  }
  pthread_mutex_unlock(&m->lock);
  return slot;
}

void mixer_leave(mixer *m, int slot) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  int32_t *active = m->active[leg->phase];
  int32_t last = active[--m->active_count[leg->phase]];
  active[leg->place] = last;
  m->legs[last].place = leg->place;
  hash_remove(m, place_of(m, leg->ip, leg->port));
  leg->mode = M_SILENT; leg->data = NULL; leg->ended = 0;
  m->free[m->free_count++] = slot;
  pthread_mutex_unlock(&m->lock);
}

/* -- what a leg hears ------------------------------------------------------------------------------------------------- */

static void set_mode(leg_t *leg, int mode) {
  leg->mode = mode; leg->data = NULL; leg->serial = 0; leg->ended = 0;
  leg->echo_fill = 0; leg->echo_flowing = 0; leg->heard = 0;
}

/* `serial` must not be 0; it is what mixer_done tells. */
void mixer_play(mixer *m, int slot, const uint8_t *data, int64_t length, int64_t at, int32_t times, uint32_t serial) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  set_mode(leg, M_FILE);
  leg->data = data; leg->length = length; leg->at = at; leg->times = times; leg->serial = serial;
  leg->marker = 1;
  pthread_mutex_unlock(&m->lock);
}

static void quiet(mixer *m, int slot, int mode) {
  pthread_mutex_lock(&m->lock);
  set_mode(&m->legs[slot], mode);
  pthread_mutex_unlock(&m->lock);
}
void mixer_silence(mixer *m, int slot) { quiet(m, slot, M_SILENT); }
void mixer_echo(mixer *m, int slot) { quiet(m, slot, M_ECHO); }

/* Plays that have ended since the last call; at most `most`. */
int mixer_done(mixer *m, int32_t *slots, uint32_t *serials, int most) {
  pthread_mutex_lock(&m->lock);
  int n = 0;
  while (n < most && m->done_count) {
    int32_t slot = m->done[--m->done_count];
    leg_t *leg = &m->legs[slot];
    leg->listed = 0;
    if (leg->ended) { slots[n] = slot; serials[n++] = leg->ended; }
    leg->ended = 0;
  }
  pthread_mutex_unlock(&m->lock);
  return n;
}

/* ticks, received, sent, packets of strangers, frames skipped; then up to LATENESS values in us. Returns how many. */
int mixer_stats(mixer *m, uint64_t *counts, int32_t *lateness, int most) {
  pthread_mutex_lock(&m->lock);
  counts[0] = m->ticks; counts[1] = m->received; counts[2] = m->sent; counts[3] = m->strangers; counts[4] = m->skipped;
  int n = m->ticks < LATENESS ? (int)m->ticks : LATENESS;
  if (n > most) n = most;
  memcpy(lateness, m->lateness, sizeof *lateness * n);
  pthread_mutex_unlock(&m->lock);
  return n;
}

/* -- the loop --------------------------------------------------------------------------------------------------------- */

/* Doubled packets and those that come after a later one are left out. */
static int is_next(leg_t *leg, uint32_t ssrc, uint16_t seq) {
  int16_t ahead = (int16_t)(seq - leg->heard_seq);
  if (leg->heard && leg->heard_ssrc == ssrc && ahead <= 0 && ahead > -REORDERED) return 0;
  leg->heard = 1; leg->heard_ssrc = ssrc; leg->heard_seq = seq;
  return 1;
}

static void hear(leg_t *leg, const uint8_t *payload, int length) {
  if (length > ECHO_ROOM - ECHO_CUSHION) length = ECHO_ROOM - ECHO_CUSHION;
  if (leg->echo_fill + length > ECHO_ROOM) {       /* his clock is faster: back to the cushion at once, then rarely */
    memmove(leg->echo, leg->echo + leg->echo_fill - ECHO_CUSHION, ECHO_CUSHION);
    leg->echo_fill = ECHO_CUSHION;
  }
  memcpy(leg->echo + leg->echo_fill, payload, length);
  leg->echo_fill += length;
}

/* Nothing that a packet says about lengths is believed. */
static void packet(leg_t *leg, const uint8_t *b, int size) {
  if (leg->mode != M_ECHO || size < 12 || b[0] >> 6 != 2 || (b[1] & 127) != PCMA) return;
  int start = 12 + 4 * (b[0] & 15);                                       /* contributing sources */
  if (b[0] & 16) {                                                        /* header extension, RFC 3550 §5.3.1 */
    if (size < start + 4) return;
    start += 4 + 4 * (b[start + 2] << 8 | b[start + 3]);
  }
  if (b[0] & 32) size -= b[size - 1];                                     /* padding, §5.1 */
  if (start >= size) return;
  uint32_t ssrc;
  memcpy(&ssrc, b + 8, 4);
  if (is_next(leg, ssrc, (uint16_t)(b[2] << 8 | b[3]))) hear(leg, b + start, size - start);
}

static void receive(mixer *m) {
  for (int total = 0; total < MOST_PER_TICK;) {
    for (int i = 0; i < BATCH; i++) m->in_header[i].msg_hdr.msg_namelen = sizeof m->from[i];
    int n = recvmmsg(m->fd, m->in_header, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) return;
    total += n; m->received += n;
    for (int i = 0; i < n; i++) {
      int slot = find(m, m->from[i].sin_addr.s_addr, ntohs(m->from[i].sin_port));
      if (slot < 0) m->strangers++;
      else packet(&m->legs[slot], m->in[i], (int)m->in_header[i].msg_len);
    }
    if (n < BATCH) return;
  }
}

/* How much of the frame the file filled. */
static int from_file(leg_t *leg, uint8_t *frame) {
  int n = 0;
  while (n < FRAME) {
    int64_t left = leg->length - leg->at;
    if (left <= 0) {
      if (leg->times == 1 || leg->length <= 0) break;
      if (leg->times) leg->times--;
      leg->at = 0;
      continue;
    }
    int take = left < FRAME - n ? (int)left : FRAME - n;
    memcpy(frame + n, leg->data + leg->at, take);
    leg->at += take; n += take;
  }
  return n;
}

static int from_echo(leg_t *leg, uint8_t *frame) {
  if (leg->echo_fill >= ECHO_CUSHION) leg->echo_flowing = 1;
  if (leg->echo_fill < FRAME) leg->echo_flowing = 0;
  if (!leg->echo_flowing) return 0;
  memcpy(frame, leg->echo, FRAME);
  leg->echo_fill -= FRAME;
  memmove(leg->echo, leg->echo + FRAME, leg->echo_fill);
  return FRAME;
}

static void fill(mixer *m, int slot, uint8_t *frame) {
  leg_t *leg = &m->legs[slot];
  int n = leg->mode == M_FILE ? from_file(leg, frame) : leg->mode == M_ECHO ? from_echo(leg, frame) : 0;
  memset(frame + n, SILENCE, FRAME - n);
  if (leg->mode == M_FILE && leg->at >= leg->length && (leg->times == 1 || leg->length <= 0)) {
    uint32_t serial = leg->serial;
    set_mode(leg, M_SILENT);
    leg->ended = serial;
    if (!leg->listed) { leg->listed = 1; m->done[m->done_count++] = slot; }
  }
}

static void send_phase(mixer *m, int phase) {
  int n = m->active_count[phase];
  for (int i = 0; i < n; i++) {
    int slot = m->active[phase][i];
    leg_t *leg = &m->legs[slot];
    uint8_t *p = m->out + (size_t)i * PACKET;
    uint32_t ts = htonl(leg->ts), ssrc = htonl(leg->ssrc);
    p[0] = 0x80; p[1] = PCMA | (leg->marker ? 0x80 : 0); p[2] = leg->seq >> 8; p[3] = (uint8_t)leg->seq;
    memcpy(p + 4, &ts, 4); memcpy(p + 8, &ssrc, 4);
    fill(m, slot, p + 12);
    leg->marker = 0; leg->seq++; leg->ts += FRAME;
    m->to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(leg->port), .sin_addr.s_addr = leg->ip};
    m->out_part[i] = (struct iovec){p, PACKET};
    m->out_header[i].msg_hdr =
        (struct msghdr){.msg_name = &m->to[i], .msg_namelen = sizeof m->to[i], .msg_iov = &m->out_part[i], .msg_iovlen = 1};
  }
  for (int at = 0; at < n;) {
    int sent = sendmmsg(m->fd, m->out_header + at, n - at, MSG_DONTWAIT);
    if (sent > 0) { at += sent; m->sent += sent; }
    else if (errno != EINTR) at++;         /* one leg's address is refused, or the buffer is full: the others go on */
  }
}

/* We were stopped: the time is gone, and so is what was said meanwhile. */
static void skip(mixer *m, int64_t frames) {
  for (int phase = 0; phase < PHASES; phase++)
    for (int i = 0; i < m->active_count[phase]; i++) {
      leg_t *leg = &m->legs[m->active[phase][i]];
      leg->ts += (uint32_t)frames * FRAME;
      leg->marker = 1;
      leg->echo_fill = 0; leg->echo_flowing = 0;
    }
  m->skipped += frames;
}

static int64_t since(const struct timespec *then) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (now.tv_sec - then->tv_sec) * 1000000000LL + (now.tv_nsec - then->tv_nsec);
}

static void advance(struct timespec *at, int64_t ns) {
  ns += at->tv_nsec;
  at->tv_sec += ns / 1000000000LL;
  at->tv_nsec = ns % 1000000000LL;
}

/* Asks for this thread to be served first: 2 real-time, 1 nice -15, 0 refused (without CAP_SYS_NICE). */
int mixer_hurry(void) {
  struct sched_param wanted = {.sched_priority = 10};
  if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0) return 2;
  return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -15) == 0;
}

void mixer_stop(mixer *m) { __atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED); }

/* Runs until mixer_stop. */
void mixer_run(mixer *m) {
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (int phase = 0; !__atomic_load_n(&m->stop, __ATOMIC_RELAXED); phase = (phase + 1) % PHASES) {
    advance(&next, TICK_NS);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {}
    pthread_mutex_lock(&m->lock);
    int waited = m->done_count;
    receive(m);
    int64_t frames = since(&next) / FRAME_NS;
    if (frames >= STALL_FRAMES) { skip(m, frames); advance(&next, frames * FRAME_NS); }
    send_phase(m, phase);
    int64_t late = since(&next) / 1000;
    m->lateness[m->ticks++ % LATENESS] = late > INT32_MAX ? INT32_MAX : (int32_t)late;
    int told = m->done_count > waited;
    pthread_mutex_unlock(&m->lock);
    /* EAGAIN alone can fail it: then the descriptor is readable anyway. */
    if (told) { uint64_t one = 1; while (write(m->wake, &one, sizeof one) < 0 && errno == EINTR) {} }
  }
}
