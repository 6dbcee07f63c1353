/* What one leg says: RTP packets in, 20 ms of samples out at each of its ticks. */
#ifndef STREAM_H
#define STREAM_H
#include <stdint.h>

#define FRAME 160              /* 20 ms at 8 kHz */
#define MS 8                   /* samples a millisecond */
#define RING 4096              /* 512 ms; a power of two */
#define PAST 400               /* played samples that concealment looks back on */
#define CYCLE 240
#define CALM_BLOCKS 4          /* the delay shrinks after so many blocks of 2.5 s that did not need it */

typedef struct {
  uint64_t packets;            /* of audio that were taken */
  uint64_t lost, late, doubled;
  uint64_t ignored;            /* of another payload type, or not RTP */
  uint64_t flooded;            /* beyond what a leg may send */
  uint64_t resets;             /* new SSRC, or a jump of the timestamps */
  uint64_t concealed;          /* samples made up while the talker talked */
  uint64_t stretched, squeezed;/* samples by which the delay grew and shrank */
  int64_t jitter;              /* RFC 3550 §6.4.1, in 1/16 samples */
  int32_t depth;               /* samples that wait at a tick, its own frame included */
  float power;                 /* mean square over about 100 ms */
} told_t;

typedef struct {
  uint8_t started, sequenced, transited, suspects;
  uint32_t ssrc, former_ssrc; int former_for;
  uint16_t highest; uint64_t seen;
  uint32_t at;                 /* RTP timestamp of the next sample to play */
  uint32_t newest;             /* one past the last sample that came */
  uint32_t suspect;            /* where a stream that jumped would go on */
  int64_t debt;                /* samples made up because nothing had come: time that no timestamp stands for yet */
  int64_t transit;
  int32_t grow;                /* samples of delay that lateness calls for */
  int32_t low[CALM_BLOCKS];    /* the least samples that a packet had in hand, by block */
  int block, blocks, ticks, rest;
  int lacking, merging, merge; /* samples made up in a row; samples left of, and of, the way back to the real ones */
  int cycle_length; float amends;
  int16_t cycle[CYCLE];
  int16_t line[PAST + FRAME];  /* what was played, and behind it what is being played */
  int16_t ring[RING];          /* by RTP timestamp; ABSENT: has not come */
  told_t told;
} stream_t;

void stream_begin(stream_t *s);

/* One packet. `now`: our clock in samples; `ahead`: samples until the leg's next tick. Nothing it says is believed. */
void stream_packet(stream_t *s, const uint8_t *packet, int size, int64_t now, int ahead);

/* The next 20 ms; 0 if it is silence because nobody talks. */
int stream_take(stream_t *s, int16_t *frame);

/* So many frames were never taken: what was said meanwhile is gone. */
void stream_pause(stream_t *s, int frames);

/* 20 ms that go on as the last ones did, fading: so that a voice is not cut with a click. */
void stream_fade(stream_t *s, int16_t *frame);

#endif
