/* Anything in any order, under the sanitizers: `mixer_fuzz <seed> <steps>`. Prints how many packets were taken as audio. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "stream.h"

typedef struct mixer mixer;
mixer *mixer_new(int, int);
void mixer_free(mixer *);
int mixer_join(mixer *, uint32_t, uint16_t, uint32_t, uint16_t, uint32_t);
void mixer_leave(mixer *, int);
void mixer_play(mixer *, int, const uint8_t *, int64_t, int64_t, int32_t, uint32_t);
void mixer_silence(mixer *, int);
void mixer_echo(mixer *, int);
void mixer_listen_for_keys(mixer *, int, int);
int mixer_room_open(mixer *);
void mixer_room_close(mixer *, int);
void mixer_enter(mixer *, int, int, int, int, const int32_t *, int);
int mixer_done(mixer *, int32_t *, uint32_t *, int);
int mixer_keys(mixer *, int32_t *, char *, int32_t *, int);
void mixer_leg_stats(mixer *, int, told_t *);
void mixer_hear(mixer *, uint32_t, uint16_t, const uint8_t *, int);
int mixer_step(mixer *, int32_t *, uint8_t *);

enum { CAPACITY = 24, FILES = 6 };
static uint64_t state;
static uint32_t any(uint32_t below) {
  state ^= state << 13; state ^= state >> 7; state ^= state << 17;
  return below ? (uint32_t)(state >> 16) % below : 0;
}

static uint8_t *files[FILES]; static int lengths[FILES];
static uint16_t sequence[CAPACITY]; static uint32_t timestamp[CAPACITY];

/* A packet in a buffer of its very size, so that one byte too many is found: nearly right, or nonsense. */
static void packet(mixer *m, int port) {
  static const int SIZES[] = {0, 1, 11, 12, 13, 16, 92, 172, 332, 492, 1612, 2048};
  int size = any(4) ? 172 : any(3) ? SIZES[any(12)] : (int)any(2049);
  uint8_t *b = malloc(size ? size : 1);
  for (int i = 0; i < size; i++) b[i] = (uint8_t)any(256);
  if (size >= 12 && any(10)) {
    int leg = port % CAPACITY;
    b[0] = any(8) ? 0x80 : 0x80 | any(64);
    b[1] = any(8) ? 8 : any(256);
    if (any(20) == 0) sequence[leg] = any(65536);
    if (any(20) == 0) timestamp[leg] += any(3) ? any(20000) - 10000 : any(0xFFFFFFFF);
    sequence[leg]++;
    b[2] = sequence[leg] >> 8; b[3] = (uint8_t)sequence[leg];
    for (int i = 0; i < 4; i++) b[4 + i] = (uint8_t)(timestamp[leg] >> (24 - 8 * i));
    memset(b + 8, any(50) ? 7 : any(256), 4);
    timestamp[leg] += size - 12;
  }
  mixer_hear(m, 0x0100007F, (uint16_t)port, b, size);
  free(b);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  state = strtoull(argv[1], NULL, 10) * 0x9E3779B97F4A7C15ull + 1;
  mixer *m = mixer_new(-1, CAPACITY);
  int port_of[CAPACITY] = {0}, room[CAPACITY] = {0};
  uint64_t taken = 0;
  static const int LENGTHS[FILES] = {0, 1, 159, 160, 161, 5000};
  for (int i = 0; i < FILES; i++) {
    files[i] = malloc(LENGTHS[i] ? LENGTHS[i] : 1); lengths[i] = LENGTHS[i];
    for (int n = 0; n < LENGTHS[i]; n++) files[i][n] = (uint8_t)any(256);
  }
  int32_t *slots = malloc(2 * CAPACITY * sizeof *slots), *ms = malloc(2 * CAPACITY * sizeof *ms);
  uint32_t *serials = malloc(2 * CAPACITY * sizeof *serials);
  uint8_t *frames = malloc(CAPACITY * FRAME);
  char keys[2 * CAPACITY];
  for (long step = 0, steps = atol(argv[2]); step < steps; step++) {
    int slot = (int)any(CAPACITY), number = (int)any(CAPACITY), file = (int)any(FILES);
    int32_t ears[4] = {any(CAPACITY), any(CAPACITY), any(CAPACITY), any(CAPACITY)};
    uint32_t what = any(100);
    told_t told;
    if (what < 5) {
      int port = 1 + (int)any(60), joined = mixer_join(m, 0x0100007F, (uint16_t)port, any(0xFFFFFFFF), any(65536), any(0xFFFFFFFF));
      if (joined >= 0) port_of[joined] = port;
    } else if (what < 7 && port_of[slot]) {
      mixer_leg_stats(m, slot, &told);
      taken += told.packets;
      mixer_leave(m, slot);
      port_of[slot] = 0;
    } else if (what < 10) {
      int source = any(4) ? slot : CAPACITY + number;
      if (source >= CAPACITY ? room[number] : port_of[slot])
        mixer_play(m, source, files[file], lengths[file], any(lengths[file] + 1), any(3), any(1000) + 1);
    } else if (what < 12 && port_of[slot]) { if (any(2)) mixer_silence(m, slot); else mixer_echo(m, slot); }
    else if (what < 13 && port_of[slot]) mixer_listen_for_keys(m, slot, any(2));
    else if (what < 14) { int opened = mixer_room_open(m); if (opened >= 0) room[opened] = 1; }
    else if (what < 15 && room[number]) {
      for (int i = 0; i < CAPACITY; i++) if (port_of[i]) mixer_enter(m, i, -1, 0, 0, NULL, 0);
      mixer_room_close(m, number); room[number] = 0;
    } else if (what < 22 && port_of[slot]) mixer_enter(m, slot, room[number] ? number : -1, any(2), any(2), ears, any(5));
    else if (what < 24) { mixer_done(m, slots, serials, 1 + any(2 * CAPACITY)); mixer_keys(m, slots, keys, ms, 1 + any(2 * CAPACITY)); }
    else if (what < 80) packet(m, any(10) ? port_of[slot] : (int)any(60));
    else mixer_step(m, slots, frames);
  }
  printf("%llu\n", (unsigned long long)taken);
  for (int i = 0; i < FILES; i++) free(files[i]);
  free(slots); free(ms); free(serials); free(frames);
  mixer_free(m);
  return 0;
}
