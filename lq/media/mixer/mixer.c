/* The mixer's inner loop: one thread, one UDP socket, 20 ms frames of A-law for every leg.
 *
 * What a leg hears: what plays to it, or its echo, and from the room that it is in everybody who talks but itself, what plays into
 * the room, and who whispers to it. Whoever whispers is heard by those legs and by nobody else. A change is taken between two
 * ticks and faded at the start of the next one (12 ms), so it makes no click; moving to another room is fading out here, then in there.
 *
 * Legs are told apart by source address (rtpengine has a port of its own for each). They are spread over four phases 5 ms
 * apart, so that a tick never sends more than a quarter of them at once; all of a room are in one phase. The clock is absolute: a
 * late tick does not move the next one; a stall of more than STALL_FRAMES is skipped and not caught up, for nobody wants to hear a
 * second's packets in a burst. RTP timestamps count on through it (RFC 3550 §5.1), prompts go on where they stood.
 *
 * Python calls the functions without `static`; each takes the lock, which a tick holds while it mixes, and not while it reads and
 * sends: that is the larger part of it. It inherits priority: an ordinary thread that holds it is not pushed aside meanwhile.
 * Every change is O(1) in legs: a stack of free slots, a hash of addresses, a dense list of slots for each phase.
 */
#include "mixer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* -- packets ---------------------------------------------------------------------------------------------------------- */

static void heard(mixer *m, uint32_t ip, uint16_t port, const uint8_t *packet, int size) {
  m->received++;
  int slot = leg_at(m, ip, port);
  if (slot < 0) { m->strangers++; return; }
  leg_t *leg = &m->legs[slot];
  if (++leg->packets > MOST_PER_LEG) { leg->stream.told.flooded++; return; }
  int phase = (int)(m->ticks % PHASES), ahead = (leg->phase - phase + PHASES) % PHASES * TICK_SAMPLES;
  stream_packet(&leg->stream, packet, size, m->clock, ahead);
}

static void receive(mixer *m) {
  for (int total = 0, n = BATCH; n == BATCH && total < MOST_PER_TICK; total += n) {
    for (int i = 0; i < BATCH; i++) m->in_header[i].msg_hdr.msg_namelen = sizeof m->from[i];
    n = recvmmsg(m->fd, m->in_header, BATCH, MSG_DONTWAIT, NULL);
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < n; i++)
      heard(m, m->from[i].sin_addr.s_addr, ntohs(m->from[i].sin_port), m->in[i], (int)m->in_header[i].msg_len);
    pthread_mutex_unlock(&m->lock);
  }
}

/* How many left. */
static uint64_t send_packets(mixer *m, int n) {
  uint64_t left = 0;
  for (int i = 0; i < n; i++) {
    m->out_part[i] = (struct iovec){m->out + (size_t)i * PACKET, PACKET};
    m->out_header[i].msg_hdr =
        (struct msghdr){.msg_name = &m->to[i], .msg_namelen = sizeof m->to[i], .msg_iov = &m->out_part[i], .msg_iovlen = 1};
  }
  for (int at = 0; at < n;) {
    int sent = sendmmsg(m->fd, m->out_header + at, n - at, MSG_DONTWAIT);
    if (sent > 0) { at += sent; left += sent; }
    else if (errno != EINTR) at++;         /* one leg's address is refused, or the buffer is full: the others go on */
  }
  return left;
}

/* -- the loop --------------------------------------------------------------------------------------------------------- */

static void tick_is_over(mixer *m, int64_t late_us) {
  m->lateness[m->ticks++ % LATENESS] = late_us > INT32_MAX ? INT32_MAX : (int32_t)late_us;
  m->clock += TICK_SAMPLES;
}

/* We were stopped: the time is gone, and so is what was said meanwhile. */
static void skip(mixer *m, int64_t frames) {
  pthread_mutex_lock(&m->lock);
  for (int phase = 0; phase < PHASES; phase++)
    for (int i = 0; i < m->active_count[phase]; i++) {
      leg_t *leg = &m->legs[m->active[phase][i]];
      leg->ts += (uint32_t)frames * FRAME;
      leg->marker = 1;
      stream_pause(&leg->stream, (int)frames);
    }
  m->skipped += frames;
  m->clock += frames * FRAME;
  pthread_mutex_unlock(&m->lock);
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

static void wake(mixer *m) {
  uint64_t one = 1;            /* EAGAIN alone can fail it: then the descriptor is readable anyway */
  while (write(m->wake, &one, sizeof one) < 0 && errno == EINTR) {}
}

/* Asks for this thread to be served first: 2 real-time, 1 nice -15, 0 refused (without CAP_SYS_NICE). */
int mixer_hurry(void) {
  struct sched_param wanted = {.sched_priority = 10};
  if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0) return 2;
  return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -15) == 0;
}

void mixer_stop(mixer *m) { __atomic_store_n(&m->stop, 1, __ATOMIC_RELAXED); }

/* Keeps our memory from being paged out; 0 refused. Only where no limit can make a later allocation fail. */
int mixer_stay(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) || (limit.rlim_cur != RLIM_INFINITY && geteuid() != 0)) return 0;
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

/* Runs until mixer_stop. */
void mixer_run(mixer *m) {
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
    advance(&next, TICK_NS);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR) {}
    int64_t frames = since(&next) / FRAME_NS;
    if (frames >= STALL_FRAMES) { skip(m, frames); advance(&next, frames * FRAME_NS); }
    receive(m);
    pthread_mutex_lock(&m->lock);
    int phase = (int)(m->ticks % PHASES), waited = m->done_count + m->key_count;
    int n = mix_phase(m, phase);
    settle_phase(m, phase);
    int told = m->done_count + m->key_count > waited;
    pthread_mutex_unlock(&m->lock);
    uint64_t left = send_packets(m, n);
    pthread_mutex_lock(&m->lock);
    m->sent += left;
    tick_is_over(m, since(&next) / 1000);
    pthread_mutex_unlock(&m->lock);
    if (told) wake(m);
  }
}

/* -- by hand, in virtual time ----------------------------------------------------------------------------------------- */

/* As a packet that came from there. ip in network order. */
void mixer_hear(mixer *m, uint32_t ip, uint16_t port, const uint8_t *packet, int size) {
  pthread_mutex_lock(&m->lock);
  heard(m, ip, port, packet, size);
  pthread_mutex_unlock(&m->lock);
}

/* One tick of 5 ms; whose turn it was, and the 160 bytes that each then hears. */
int mixer_step(mixer *m, int32_t *slots, uint8_t *frames) {
  pthread_mutex_lock(&m->lock);
  int phase = (int)(m->ticks % PHASES), n = mix_phase(m, phase);
  for (int i = 0; i < n; i++) {
    slots[i] = m->active[phase][i];
    memcpy(frames + i * FRAME, m->out + (size_t)i * PACKET + 12, FRAME);
  }
  settle_phase(m, phase);
  tick_is_over(m, 0);
  pthread_mutex_unlock(&m->lock);
  return n;
}
