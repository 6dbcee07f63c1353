/* One tick: what each leg says goes into its room and into ears, what each leg hears becomes a packet. */
#include "mixer.h"
#include <arpa/inet.h>
#include <string.h>

#define RAMP (12 * MS)

/* How much of the frame the file filled. */
static int from_file(player_t *p, uint8_t *frame) {
  int n = 0;
  while (n < FRAME) {
    int64_t left = p->length - p->at;
    if (left <= 0) {
      if (p->times == 1 || p->length <= 0) break;
      if (p->times) p->times--;
      p->at = 0;
      continue;
    }
    int take = left < FRAME - n ? (int)left : FRAME - n;
    memcpy(frame + n, p->data + p->at, take);
    p->at += take; n += take;
  }
  return n;
}

/* A frame of what plays, 0 if nothing does. */
static int played(mixer *m, int source, uint8_t *frame) {
  player_t *p = player_of(m, source);
  if (p->cut) { p->cut = 0; memcpy(frame, p->tail, FRAME); return 1; }
  if (!p->serial) return 0;
  int n = from_file(p, frame);
  p->begun = 1;
  memset(frame + n, SILENCE, FRAME - n);
  if (p->at >= p->length && (p->times == 1 || p->length <= 0)) {
    uint32_t serial = p->serial;
    p->data = NULL; p->serial = 0; p->begun = 0;
    p->ended = serial;
    if (!p->listed) { p->listed = 1; m->done[m->done_count++] = source; }
  }
  return 1;
}

static void add_alaw(int32_t *sum, const uint8_t *frame) {
  for (int i = 0; i < FRAME; i++) sum[i] += linear_of[frame[i]];
}

static float at(gain_t g, int i) { return g.now + (g.wanted - g.now) * (float)(i + 1) / FRAME; }

/* Of who comes and goes: soon, so that little of a word is missed; with no corner, so that nothing is heard of it. */
static float ramp(gain_t g, int i) {
  if (i >= RAMP) return g.wanted;
  float t = (float)(i + 1) / RAMP;
  return g.now + (g.wanted - g.now) * t * t * (3 - 2 * t);
}

/* `to` += `from` x gain, which changes at the beginning of the frame. */
static void add(int32_t *to, const int16_t *from, gain_t gain) {
  if (gain.now == gain.wanted) {
    if (gain.now == 0) return;
    for (int i = 0; i < FRAME; i++) to[i] += from[i];
  } else {
    for (int i = 0; i < FRAME; i++) to[i] += (int32_t)((float)from[i] * ramp(gain, i));
  }
}

/* The room's sum of this tick, begun by the first who asks for it with what plays there. */
static int32_t *sum_of(mixer *m, int number) {
  room_t *room = &m->rooms[number];
  if (room->summed != m->ticks + 1) {
    uint8_t frame[FRAME];
    room->summed = m->ticks + 1;
    memset(room->sum, 0, sizeof room->sum);
    if (played(m, m->capacity + number, frame)) add_alaw(room->sum, frame);
    for (int i = 0; room->has_tail && i < FRAME; i++) room->sum[i] += room->tail[i];
    room->has_tail = 0;
  }
  return room->sum;
}

static void whisper_to(mixer *m, const leg_t *from, const whisper_t *w) {
  leg_t *to = &m->legs[w->slot];
  if (to->generation != w->generation || to->room != from->room || !to->in_use) return;
  if (to->whispered != m->ticks + 1) { to->whispered = m->ticks + 1; memset(to->aside, 0, sizeof to->aside); }
  add(to->aside, from->in, w->gain);
}

/* What he says, into his room and into the ears of those to whom he whispers. */
static void talk(mixer *m, int slot) {
  leg_t *leg = &m->legs[slot];
  int ms, stays = leg->room == leg->next_room;
  stream_take(&leg->stream, leg->in);
  leg->packets = 0;
  char key = leg->listens_for_keys ? dtmf_hear(&leg->dtmf, leg->in, FRAME, &ms) : 0;
  if (key && m->key_count < KEYS) m->keys[m->key_count++] = (key_t_){slot, leg->generation, ms, key};
  if (leg->room == NO_ROOM) return;
  leg->talk.wanted = stays && leg->may_talk;
  leg->hear.wanted = stays && leg->may_hear;
  int32_t said[FRAME] = {0}, *sum = sum_of(m, leg->room);
  add(said, leg->in, leg->talk);
  for (int i = 0; i < FRAME; i++) { leg->said[i] = (int16_t)said[i]; sum[i] += said[i]; }
  for (int i = 0; i < WHISPERS; i++) {
    whisper_t *w = &leg->whispers[i];
    w->gain.wanted = stays && w->wished;
    if (w->gain.now > 0 || w->gain.wanted > 0) whisper_to(m, leg, w);
  }
}

/* Turns a sum down rather than clip it: at once, and slowly up again. */
static void limited(leg_t *leg, const int32_t *sum, uint8_t *frame) {
  int32_t peak = 0;
  for (int i = 0; i < FRAME; i++) {
    int32_t size = sum[i] < 0 ? -sum[i] : sum[i];
    peak = size > peak ? size : peak;
  }
  float limit = peak > LOUDEST ? (float)LOUDEST / (float)peak : 1;
  float to = limit < leg->limit ? limit : leg->limit + (limit - leg->limit) * 0.1f;
  if (to > 0.999f) to = 1;
  gain_t gain = {leg->limit, to};
  for (int i = 0; i < FRAME; i++) {
    int32_t v = to == 1 && leg->limit == 1 ? sum[i] : (int32_t)((float)sum[i] * at(gain, i));
    frame[i] = to_alaw(v > LOUDEST ? LOUDEST : v < -LOUDEST ? -LOUDEST : v);
  }
  leg->limit = to;
}

static void compose(mixer *m, int slot, uint8_t *frame) {
  leg_t *leg = &m->legs[slot];
  int plays = played(m, slot, frame);
  if (leg->room == NO_ROOM && !leg->echo) {
    if (!plays) memset(frame, SILENCE, FRAME);
    return;
  }
  int32_t sum[FRAME] = {0};
  if (plays) add_alaw(sum, frame);
  if (leg->echo) for (int i = 0; i < FRAME; i++) sum[i] += leg->in[i];
  if (leg->room != NO_ROOM) {
    const int32_t *all = sum_of(m, leg->room);
    int still = leg->hear.now == leg->hear.wanted;
    for (int i = 0; i < FRAME && !(still && leg->hear.now == 0); i++) {
      int32_t others = all[i] - leg->said[i];
      sum[i] += still ? others : (int32_t)((float)others * ramp(leg->hear, i));
    }
    if (leg->whispered == m->ticks + 1) for (int i = 0; i < FRAME; i++) sum[i] += leg->aside[i];
  }
  limited(leg, sum, frame);
}

/* Between two ticks: what was faded is done, and who faded out is in the next room. A voice that has not begun is faded in
 * when it does. */
static void settle(mixer *m, int slot) {
  leg_t *leg = &m->legs[slot];
  if (leg->stream.started) leg->talk.now = leg->talk.wanted;
  leg->hear.now = leg->hear.wanted;
  for (int i = 0; i < WHISPERS; i++) leg->whispers[i].gain.now = leg->room == NO_ROOM ? 0 : leg->whispers[i].gain.wanted;
  if (leg->room == leg->next_room) return;
  out_of_room(m, leg->room);
  leg->room = leg->next_room;
  in_step(m, slot);
}

/* Makes the packets of one phase; how many. */
int mix_phase(mixer *m, int phase) {
  int n = m->active_count[phase];
  for (int i = 0; i < n; i++) talk(m, m->active[phase][i]);
  for (int i = 0; i < n; i++) {
    int slot = m->active[phase][i];
    leg_t *leg = &m->legs[slot];
    uint8_t *p = m->out + (size_t)i * PACKET;
    uint32_t ts = htonl(leg->ts), ssrc = htonl(leg->ssrc);
    p[0] = 0x80; p[1] = PCMA | (leg->marker ? 0x80 : 0); p[2] = leg->seq >> 8; p[3] = (uint8_t)leg->seq;
    memcpy(p + 4, &ts, 4); memcpy(p + 8, &ssrc, 4);
    compose(m, slot, p + 12);
    leg->marker = 0; leg->seq++; leg->ts += FRAME;
    m->to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(leg->port), .sin_addr.s_addr = leg->ip};
  }
  return n;
}

void settle_phase(mixer *m, int phase) {
  for (int i = m->active_count[phase] - 1; i >= 0; i--) settle(m, m->active[phase][i]);
}
