/* What the files of the mixer share. The verbs of Python are declared in core.py. */
#ifndef MIXER_H
#define MIXER_H
#define _GNU_SOURCE
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include "dtmf.h"
#include "g711.h"
#include "stream.h"

#define FRAME_NS 20000000L
#define PACKET (12 + FRAME)
#define PCMA 8                 /* RFC 3551 */
#define PHASES 4
#define TICK_NS (FRAME_NS / PHASES)
#define TICK_SAMPLES (FRAME / PHASES)
#define STALL_FRAMES 3
#define BATCH 64
#define LARGEST 2048
#define MOST_PER_TICK 2048     /* packets read before the clock is looked at again: a flood cannot stop the music */
#define MOST_PER_LEG 64        /* packets of one leg between two of its ticks: one that floods starves nobody */
#define LATENESS 16384
#define NO_ROOM (-1)
#define TARGETS 4              /* legs that one leg may whisper to at once */
#define WHISPERS (2 * TARGETS) /* … and those that it just did, which fade */
#define KEYS 1024

typedef struct { float now, wanted; } gain_t;

/* A prompt or music, to a leg or into a room. */
typedef struct {
  const uint8_t *data;         /* kept alive by Python until it has set another */
  int64_t length, at;
  int32_t times;               /* how often it is still heard; 0: for ever */
  uint32_t serial, ended;      /* what plays; what has ended and is not told yet (0: nothing) */
  uint8_t listed;              /* stands in mixer.done */
  uint8_t begun, cut;          /* something of it was heard; `tail` is still to be heard */
  uint8_t tail[FRAME];         /* of what was replaced, fading */
} player_t;

typedef struct { int32_t slot; uint32_t generation; uint8_t wished; gain_t gain; } whisper_t;

typedef struct {
  uint32_t ip, ssrc, ts, generation;
  uint16_t port, seq;
  uint8_t phase, marker, echo, listens_for_keys, in_use;
  int32_t place;               /* in its phase's list */
  int packets;                 /* that came since its last tick */
  player_t player;
  stream_t stream;
  dtmf_t dtmf;
  int32_t room, next_room;
  uint8_t may_talk, may_hear;  /* in next_room */
  gain_t talk, hear;
  float limit;                 /* what it hears is turned down so far, that no sum is clipped */
  whisper_t whispers[WHISPERS];
  uint64_t whispered;          /* the tick in which `aside` is meant */
  int32_t aside[FRAME];        /* what is whispered to it */
  int16_t in[FRAME], said[FRAME];
} leg_t;

typedef struct {
  int32_t legs;                /* that are in it, or on the way into it */
  uint8_t held;                /* Python knows it */
  uint8_t phase, has_tail;
  player_t player;
  uint64_t summed;             /* the tick in which `sum` is meant */
  int32_t sum[FRAME];
  int32_t tail[FRAME];         /* of those who left */
} room_t;

typedef struct { int32_t slot; uint32_t generation; int32_t ms; char key; } key_t_;

typedef struct mixer {
  int fd, wake, capacity, stop;
  uint32_t hash_mask, generations;
  leg_t *legs;
  room_t *rooms; int next_room;
  int32_t *hash;               /* address -> slot, linear probing; -1: empty */
  int32_t *free; int free_count;
  int32_t *active[PHASES]; int active_count[PHASES];
  int32_t *done; int done_count;    /* slots; capacity + room for rooms */
  key_t_ keys[KEYS]; int key_count;
  uint8_t *out; struct mmsghdr *out_header; struct iovec *out_part; struct sockaddr_in *to;
  uint8_t in[BATCH][LARGEST]; struct mmsghdr in_header[BATCH]; struct iovec in_part[BATCH]; struct sockaddr_in from[BATCH];
  int32_t lateness[LATENESS];
  uint64_t ticks, received, sent, strangers, skipped;
  int64_t clock;               /* samples since the beginning */
  pthread_mutex_t lock;
} mixer;

/* legs.c */
int leg_at(const mixer *m, uint32_t ip, uint16_t port);          /* its slot, -1: none */
void on_the_list(mixer *m, int slot, int phase);
void off_the_list(mixer *m, leg_t *leg);
void in_step(mixer *m, int slot);                                /* into the phase in which all of its room are */
void out_of_room(mixer *m, int32_t room);
player_t *player_of(mixer *m, int source);                       /* a leg, or a room: capacity + its number */

/* mix.c */
int mix_phase(mixer *m, int phase);                              /* makes the packets of one phase; how many */
void settle_phase(mixer *m, int phase);                          /* between two ticks: what was faded is done */

#endif
