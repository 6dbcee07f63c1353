/* Legs: the hash of addresses, the list of each phase, coming and going. */
#include "mixer.h"
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

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

int leg_at(const mixer *m, uint32_t ip, uint16_t port) { return m->hash[place_of(m, ip, port)]; }

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
  free(m->legs); free(m->rooms); free(m->hash); free(m->free); free(m->done);
  free(m->out); free(m->out_header); free(m->out_part); free(m->to);
  free(m);
}

/* fd -1: nothing is read or sent; packets are given by mixer_hear, ticks by mixer_step. */
mixer *mixer_new(int fd, int capacity) {
  mixer *m = calloc(1, sizeof *m);
  if (!m) return NULL;
  size_t hash_size = 64;
  while (hash_size < 4 * (size_t)capacity) hash_size *= 2;
  m->fd = fd; m->capacity = capacity; m->hash_mask = hash_size - 1;
  m->legs = calloc(capacity, sizeof *m->legs);
  m->rooms = calloc(capacity, sizeof *m->rooms);
  m->hash = malloc(hash_size * sizeof *m->hash);
  m->free = calloc(capacity, sizeof *m->free);
  m->done = calloc(2 * capacity, sizeof *m->done);
  m->out = calloc(capacity, PACKET);
  m->out_header = calloc(capacity, sizeof *m->out_header);
  m->out_part = calloc(capacity, sizeof *m->out_part);
  m->to = calloc(capacity, sizeof *m->to);
  m->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  int whole = m->legs && m->rooms && m->hash && m->free && m->done && m->out && m->out_header && m->out_part && m->to;
  for (int phase = 0; phase < PHASES; phase++) whole &= (m->active[phase] = calloc(capacity, sizeof(int32_t))) != NULL;
  if (!whole || m->wake < 0) { mixer_free(m); return NULL; }
  memset(m->hash, 255, hash_size * sizeof *m->hash);
  for (int slot = capacity - 1; slot >= 0; slot--) m->free[m->free_count++] = slot;
  for (int i = 0; i < BATCH; i++) {
    m->in_part[i] = (struct iovec){m->in[i], LARGEST};
    m->in_header[i].msg_hdr = (struct msghdr){.msg_name = &m->from[i], .msg_iov = &m->in_part[i], .msg_iovlen = 1};
  }
  g711_init();
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
    uint8_t listed = leg->player.listed;   /* for a leg that had this slot before; nothing is told of it */
    memset(leg, 0, sizeof *leg);
    stream_begin(&leg->stream);
    leg->player.listed = listed;
    leg->in_use = 1; leg->generation = ++m->generations;
    leg->room = leg->next_room = NO_ROOM; leg->limit = 1;
    leg->ip = ip; leg->port = port; leg->ssrc = ssrc; leg->seq = seq; leg->ts = ts; leg->marker = 1;
    on_the_list(m, slot, phase);
    m->hash[place] = slot;
  }
  pthread_mutex_unlock(&m->lock);
  return slot;
}

void on_the_list(mixer *m, int slot, int phase) {
  leg_t *leg = &m->legs[slot];
  leg->phase = (uint8_t)phase; leg->place = m->active_count[phase];
  m->active[phase][m->active_count[phase]++] = slot;
}

void off_the_list(mixer *m, leg_t *leg) {
  int32_t *active = m->active[leg->phase];
  int32_t last = active[--m->active_count[leg->phase]];
  active[leg->place] = last;
  m->legs[last].place = leg->place;
}

/* Into the phase in which all of its room are. */
void in_step(mixer *m, int slot) {
  leg_t *leg = &m->legs[slot];
  if (leg->room == NO_ROOM || m->rooms[leg->room].phase == leg->phase) return;
  off_the_list(m, leg);
  on_the_list(m, slot, m->rooms[leg->room].phase);
}

void out_of_room(mixer *m, int32_t room) {
  if (room != NO_ROOM) m->rooms[room].legs--;
}

/* The others hear his voice fade, not break off. */
static void leave_voice(mixer *m, leg_t *leg) {
  if (leg->room == NO_ROOM || leg->talk.now == 0) return;
  room_t *room = &m->rooms[leg->room];
  int16_t frame[FRAME];
  if (!room->has_tail) memset(room->tail, 0, sizeof room->tail);
  stream_fade(&leg->stream, frame);
  for (int i = 0; i < FRAME; i++) room->tail[i] += (int32_t)(frame[i] * leg->talk.now);
  room->has_tail = 1;
}

void mixer_leave(mixer *m, int slot) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  leave_voice(m, leg);
  off_the_list(m, leg);
  out_of_room(m, leg->room);
  if (leg->next_room != leg->room) out_of_room(m, leg->next_room);
  leg->room = leg->next_room = NO_ROOM;
  hash_remove(m, place_of(m, leg->ip, leg->port));
  leg->in_use = 0; leg->generation = ++m->generations;
  leg->player.data = NULL; leg->player.serial = leg->player.ended = 0;
  m->free[m->free_count++] = slot;
  pthread_mutex_unlock(&m->lock);
}

/* A leg, or a room: capacity + its number. */
player_t *player_of(mixer *m, int source) {
  return source < m->capacity ? &m->legs[source].player : &m->rooms[source - m->capacity].player;
}
