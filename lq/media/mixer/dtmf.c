/* Eight Goertzel filters over blocks of 12.75 ms. The limits are those of ITU-T Q.24 and of the detectors in the field:
 * each tone above -42 dBm0, the high one up to 8 dB weaker than the low one (twist) or 4 dB stronger, 8 dB above the others of its
 * group, and nearly nothing else in the block: so speech is no key. Two blocks that agree begin a key, two that do not end it.
 */
#include "dtmf.h"

#define NORMAL_TWIST 6.309f    /* 8 dB */
#define REVERSE_TWIST 2.512f   /* 4 dB */
#define PEAK 6.309f            /* 8 dB */
#define OF_ALL (DTMF_BLOCK / 2 * 0.76f)     /* a tone has N/2 times its energy here; of one that is 1.5 % off a quarter is missing */
#define LEAST 85514590.f       /* (102 / 2 x 32768 x 10 ^ ((-42 - 3.14) / 20))^2: -42 dBm0 in such a block */

static const float COEFFICIENT[8] = {       /* 2 cos(2 pi f / 8000) of 697, 770, 852, 941; 1209, 1336, 1477, 1633 Hz */
  1.7077378f, 1.6452810f, 1.5686869f, 1.4782046f, 1.1641040f, 0.9963702f, 0.7986184f, 0.5685327f,
};

static int strongest(const float *of) {
  int best = 0;
  for (int i = 1; i < 4; i++) if (of[i] > of[best]) best = i;
  return best;
}

static int stands_out(const float *of, int best) {
  for (int i = 0; i < 4; i++) if (i != best && of[i] * PEAK > of[best]) return 0;
  return 1;
}

static char key_of(const dtmf_t *d) {
  float power[8];
  for (int i = 0; i < 8; i++) power[i] = d->one[i] * d->one[i] + d->two[i] * d->two[i] - COEFFICIENT[i] * d->one[i] * d->two[i];
  int row = strongest(power), column = strongest(power + 4);
  float low = power[row], high = power[4 + column];
  if (low < LEAST || high < LEAST) return 0;
  if (high * NORMAL_TWIST < low || high > low * REVERSE_TWIST) return 0;
  if (!stands_out(power, row) || !stands_out(power + 4, column)) return 0;
  if (low + high < OF_ALL * d->energy) return 0;
  return "123A456B789C*0#D"[4 * row + column];
}

static char block_ended(dtmf_t *d, int *ms) {
  char now = key_of(d), over = 0;
  if (d->key) {
    d->blocks++;
    d->gone = now == d->key ? 0 : d->gone + 1;
    if (d->gone >= 2) {
      over = d->key;
      *ms = (d->blocks - d->gone) * DTMF_BLOCK / 8;
      d->key = 0;
    }
  }
  if (!d->key && now && now == d->before) { d->key = now; d->blocks = 2; d->gone = 0; }
  d->before = now;
  return over;
}

char dtmf_hear(dtmf_t *d, const int16_t *samples, int count, int *ms) {
  char over = 0;
  while (count > 0) {
    int take = DTMF_BLOCK - d->count < count ? DTMF_BLOCK - d->count : count;
    for (int n = 0; n < take; n++) {
      float x = samples[n];
      d->energy += x * x;
      for (int i = 0; i < 8; i++) {
        float next = x + COEFFICIENT[i] * d->one[i] - d->two[i];
        d->two[i] = d->one[i]; d->one[i] = next;
      }
    }
    samples += take; count -= take; d->count += take;
    if (d->count < DTMF_BLOCK) break;
    int lasted;
    char ended = block_ended(d, &lasted);
    if (ended) { over = ended; *ms = lasted; }
    for (int i = 0; i < 8; i++) d->one[i] = d->two[i] = 0;
    d->energy = 0; d->count = 0;
  }
  return over;
}
