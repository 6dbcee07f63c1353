#include <stdlib.h>
#include "g711.h"

int16_t linear_of[256];
uint8_t alaw_of[4096];

static int16_t decoded(int code) {
  int bits = code ^ 0x55, segment = bits >> 4 & 7, level = (bits & 15) * 16 + 8;
  if (segment) level = (level + 256) << (segment - 1);
  return (int16_t)(bits & 0x80 ? level : -level);
}

void g711_init(void) {
  for (int code = 0; code < 256; code++) linear_of[code] = decoded(code);
  for (int step = 0; step < 4096; step++) {          /* the nearest code; the upper one of two that are as near */
    int sample = (step - 2048) * 16 + 8, best = 0;
    for (int code = 1; code < 256; code++) {
      int was = abs(linear_of[best] - sample), is = abs(linear_of[code] - sample);
      if (is < was || (is == was && linear_of[code] > linear_of[best])) best = code;
    }
    alaw_of[step] = (uint8_t)best;
  }
}
