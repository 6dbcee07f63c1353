/* What Python asks for between two ticks: what plays, who is in which room, what has happened. */
#include "mixer.h"
#include <string.h>

/* -- what a leg hears ------------------------------------------------------------------------------------------------- */

/* Nothing plays any more; of what was heard, one frame more, fading. */
static void cut(player_t *p) {
  if (p->serial && p->begun && p->length - p->at >= FRAME) {
    for (int i = 0; i < FRAME; i++) p->tail[i] = to_alaw(linear_of[p->data[p->at + i]] * (FRAME - i) / (FRAME + 1));
    p->cut = 1;
  }
  p->data = NULL; p->serial = p->ended = 0; p->begun = 0;
}

/* `serial` must not be 0; it is what mixer_done tells. */
void mixer_play(mixer *m, int source, const uint8_t *data, int64_t length, int64_t at, int32_t times, uint32_t serial) {
  pthread_mutex_lock(&m->lock);
  player_t *p = player_of(m, source);
  cut(p);
  p->data = data; p->length = length; p->at = at; p->times = times; p->serial = serial;
  if (source < m->capacity) { m->legs[source].echo = 0; m->legs[source].marker = 1; }
  pthread_mutex_unlock(&m->lock);
}

/* Nothing plays, nothing is echoed. */
void mixer_silence(mixer *m, int source) {
  pthread_mutex_lock(&m->lock);
  cut(player_of(m, source));
  if (source < m->capacity) m->legs[source].echo = 0;
  pthread_mutex_unlock(&m->lock);
}

void mixer_echo(mixer *m, int slot) {
  pthread_mutex_lock(&m->lock);
  cut(&m->legs[slot].player);
  m->legs[slot].echo = 1;
  pthread_mutex_unlock(&m->lock);
}

void mixer_listen_for_keys(mixer *m, int slot, int on) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  if (!leg->listens_for_keys) memset(&leg->dtmf, 0, sizeof leg->dtmf);
  leg->listens_for_keys = on != 0;
  pthread_mutex_unlock(&m->lock);
}

/* Plays that have ended since the last call, by leg or room; at most `most`. */
int mixer_done(mixer *m, int32_t *sources, uint32_t *serials, int most) {
  pthread_mutex_lock(&m->lock);
  int n = 0;
  while (n < most && m->done_count) {
    int32_t source = m->done[--m->done_count];
    player_t *p = player_of(m, source);
    p->listed = 0;
    if (p->ended) { sources[n] = source; serials[n++] = p->ended; }
    p->ended = 0;
  }
  pthread_mutex_unlock(&m->lock);
  return n;
}

/* Keys that have ended since the last call, in order. */
int mixer_keys(mixer *m, int32_t *slots, char *keys, int32_t *ms, int most) {
  pthread_mutex_lock(&m->lock);
  int n = 0;
  for (int i = 0; i < m->key_count && n < most; i++) {
    const key_t_ *k = &m->keys[i];
    if (m->legs[k->slot].generation != k->generation) continue;      /* who pressed it is gone */
    slots[n] = k->slot; keys[n] = k->key; ms[n++] = k->ms;
  }
  m->key_count = 0;
  pthread_mutex_unlock(&m->lock);
  return n;
}

/* -- rooms ------------------------------------------------------------------------------------------------------------ */

/* An empty room; -1: there is none left. It is his who asked until mixer_room_close. */
int mixer_room_open(mixer *m) {
  pthread_mutex_lock(&m->lock);
  int found = NO_ROOM;
  for (int tried = 0; tried < m->capacity && found == NO_ROOM; tried++) {
    int room = m->next_room++ % m->capacity;
    if (!m->rooms[room].held && !m->rooms[room].legs) found = room;
  }
  if (found != NO_ROOM) {
    room_t *room = &m->rooms[found];
    uint8_t listed = room->player.listed;
    memset(room, 0, sizeof *room);
    room->player.listed = listed;
    room->held = 1;
  }
  m->next_room %= m->capacity;
  pthread_mutex_unlock(&m->lock);
  return found;
}

/* What plays in it stops with it. It is used again when the last leg has faded out of it. */
void mixer_room_close(mixer *m, int room) {
  pthread_mutex_lock(&m->lock);
  cut(&m->rooms[room].player);
  m->rooms[room].held = 0;
  pthread_mutex_unlock(&m->lock);
}

static whisper_t *whisper_place(leg_t *leg, int32_t slot, uint32_t generation) {
  for (int i = 0; i < WHISPERS; i++)
    if (leg->whispers[i].slot == slot && leg->whispers[i].generation == generation) return &leg->whispers[i];
  whisper_t *best = NULL;
  for (int i = 0; i < WHISPERS; i++) {
    whisper_t *w = &leg->whispers[i];
    if (!w->wished && (!best || w->gain.now < best->gain.now)) best = w;
  }
  *best = (whisper_t){.slot = slot, .generation = generation};
  return best;
}

/* Its audio is not here yet, nor does it hear anything: rtpengine is not pointed at us. Nothing is to be faded out, and whoever
 * waits for its next tick, and then for the room's, misses up to two frames of what it says as soon as it is here. */
static int is_expected(const leg_t *leg) {
  const player_t *p = &leg->player;
  return !leg->stream.started && leg->room == NO_ROOM && leg->next_room == NO_ROOM && !leg->echo && !p->serial && !p->cut;
}

/* From the next tick on the leg is in this room (-1: in none). talk: all of it hear him; hear: he hears it; whisper: legs that hear
 * him besides, as long as they are in it, `count` <= TARGETS. */
void mixer_enter(mixer *m, int slot, int room, int talk, int hear, const int32_t *whisper, int count) {
  pthread_mutex_lock(&m->lock);
  leg_t *leg = &m->legs[slot];
  int at_once = room != NO_ROOM && is_expected(leg);
  if (leg->next_room != room) {
    if (leg->next_room != leg->room) out_of_room(m, leg->next_room);
    if (room != NO_ROOM && room != leg->room && !m->rooms[room].legs++) m->rooms[room].phase = leg->phase;
    leg->next_room = room;
  }
  if (at_once) { leg->room = room; in_step(m, slot); }
  if (room != NO_ROOM) leg->echo = 0;
  leg->may_talk = talk != 0; leg->may_hear = hear != 0;
  for (int i = 0; i < WHISPERS; i++) leg->whispers[i].wished = 0;
  for (int i = 0; i < count && i < TARGETS; i++)
    if (whisper[i] != slot) whisper_place(leg, whisper[i], m->legs[whisper[i]].generation)->wished = 1;
  pthread_mutex_unlock(&m->lock);
}

/* -- what is told ----------------------------------------------------------------------------------------------------- */

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

void mixer_leg_stats(mixer *m, int slot, told_t *told) {
  pthread_mutex_lock(&m->lock);
  *told = m->legs[slot].stream.told;
  pthread_mutex_unlock(&m->lock);
}
