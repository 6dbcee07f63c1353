/* The jitter buffer and its concealment.
 *
 * Samples stand in a ring by their RTP timestamp, so that order, doubles and packet lengths are of no concern. A tick takes
 * what stands at `at`. On a calm network a packet is played at the first tick after it came: no delay is added.
 *
 *   Nothing there, and nothing later either: samples are made up, and `debt` counts them. The next packet settles it: by as
 *   much as it lies ahead it tells of a loss (or of a pause), and the clock goes on; by the rest it was late, and from then
 *   on there is so much more delay: it grew at once, and no word was lost.
 *   Nothing there, but something later: a loss, made up. Should it still come, it was only out of order: the delay grows by
 *   what would have been enough, a pitch period at a time.
 *   All packets of the last ten seconds had time in hand: a pitch period is left out, at most each 200 ms. A talker whose
 *   clock is fast is held so, too; one whose clock is slow falls under the first rule once in minutes.
 *
 * Concealment: ITU-T G.711 Appendix I without its delay of 3.75 ms: the last pitch periods again, 10 ms at full level, gone
 * after 60 ms, and a cross-fade back.
 */
#include <string.h>
#include <math.h>
#include "g711.h"
#include "stream.h"

#define ABSENT INT16_MIN       /* no A-law code means it */
#define PCMA 8                 /* RFC 3551 */
#define MOST_DELAY (120 * MS)
#define FADED (60 * MS)        /* concealment has become silence */
#define HOLD (10 * MS)         /* it is as loud as the voice was for so long */
#define AMENDS 16              /* samples in which the step at its start is evened out */
#define LEAST_LAG 20           /* 400 Hz … */
#define MOST_LAG 120           /* … 67 Hz */
#define OVERLAP 80
#define SAFETY (5 * MS)        /* packets are read each 5 ms */
#define BLOCK_TICKS 125
#define REST_TICKS 10
#define RELUCTANT 50           /* ticks in which a good place to cut is looked for */
#define DROPOUT 3000           /* RFC 3550 appendix A.1 */
#define MISORDER 100
#define FORMER_TICKS 25
#define CALM INT32_MAX

static int16_t *slot(stream_t *s, uint32_t timestamp) { return &s->ring[timestamp & (RING - 1)]; }
static int32_t depth(const stream_t *s) { return (int32_t)(s->newest - s->at); }

static void empty(stream_t *s) {
  for (int i = 0; i < RING; i++) s->ring[i] = ABSENT;
}

static void forget_margins(stream_t *s) {
  for (int i = 0; i < CALM_BLOCKS; i++) s->low[i] = CALM;
  s->block = s->blocks = s->ticks = 0;
}

void stream_begin(stream_t *s) {
  memset(s, 0, sizeof *s);
  empty(s);
  forget_margins(s);
}

/* -- concealment ------------------------------------------------------------------------------------------------------ */

/* How alike `a` and `b` are, 1 at most; 1 too if both are as good as silence. */
static float likeness(const int16_t *a, const int16_t *b, int length) {
  float product = 0, power_a = 1, power_b = 1;
  for (int i = 0; i < length; i++) {
    product += (float)a[i] * b[i];
    power_a += (float)a[i] * a[i];
    power_b += (float)b[i] * b[i];
  }
  if (power_a + power_b < 2.f * length * 64 * 64) return 1;
  return product / sqrtf(power_a * power_b);
}

/* The period of what ends at `end`: within 40 … 120 samples, as G.711 Appendix I. */
static int pitch(const int16_t *end) {
  int best = 40; float most = -2;
  for (int lag = 40; lag <= MOST_LAG; lag++) {
    float alike = likeness(end - FRAME, end - FRAME - lag, FRAME);
    if (alike > most + 0.001f) { most = alike; best = lag; }
  }
  return best;
}

/* What ends at `end` shall be repeated: whole periods, at least 12.5 ms, whose end leads back into their beginning. */
static void conceal_from(stream_t *s, const int16_t *end) {
  int period = pitch(end), length = period, quarter = period / 4;
  while (length < 100) length += period;
  memcpy(s->cycle, end - length, length * sizeof *s->cycle);
  for (int i = 0; i < quarter; i++) {
    int to = length - quarter + i, share = (i + 1) * 256 / (quarter + 1);
    s->cycle[to] = (int16_t)((s->cycle[to] * (256 - share) + (end - length - quarter)[i] * share) / 256);
  }
  s->cycle_length = length;
  s->amends = (float)(end[-1] - end[-length - 1]);
  s->lacking = 0;
}

static int16_t made_up(stream_t *s) {
  int k = s->lacking++;
  if (k >= FADED) return 0;
  float value = s->cycle[k % s->cycle_length];
  if (k < AMENDS) value += s->amends * (AMENDS - k) / (AMENDS + 1);
  if (k > HOLD) value *= (float)(FADED - k) / (FADED - HOLD);
  return (int16_t)(value > LOUDEST ? LOUDEST : value < -LOUDEST ? -LOUDEST : value);
}

/* What comes next does not follow on what was: go over to it. */
static void bridge(stream_t *s) {
  if (s->lacking) return;
  conceal_from(s, s->line + PAST);
  s->lacking = 1;
}

static void conceal(stream_t *s, int16_t *out, int count) {
  if (!s->lacking) conceal_from(s, out);
  s->merging = 0;
  if (s->lacking < FADED) s->told.concealed += count < FADED - s->lacking ? count : FADED - s->lacking;
  for (int i = 0; i < count; i++) out[i] = made_up(s);
}

/* Real samples again: the longer they lacked, the longer the way back, 10 ms at most. */
static int16_t merged(stream_t *s, int16_t real) {
  if (!s->lacking) return real;
  if (!s->merging) s->merging = s->merge = s->lacking > 240 ? OVERLAP : 20 + s->lacking / 4;
  int share = (s->merge - --s->merging) * 256 / (s->merge + 1);
  int16_t value = (int16_t)((made_up(s) * (256 - share) + real * share) / 256);
  if (!s->merging) s->lacking = 0;
  return value;
}

/* -- packets ---------------------------------------------------------------------------------------------------------- */

/* From here on, whatever was before: what is heard goes over to it without a click. */
static void restart(stream_t *s, uint32_t timestamp) {
  if (s->started) { s->told.resets++; bridge(s); }
  s->started = 1;
  s->at = s->newest = timestamp;
  s->debt = 0; s->grow = 0; s->suspects = 0;
  empty(s);
  forget_margins(s);
}

/* RFC 3550 appendix A.1 and A.3. 0: it came before. `goes_on`: its audio was never heard, so its number is one of a new count. */
static int is_new(stream_t *s, uint16_t sequence, int goes_on) {
  int ahead = (int16_t)(sequence - s->highest);
  if (!s->sequenced || ahead > DROPOUT || ahead < -MISORDER || (goes_on && ahead <= 0)) {
    s->sequenced = 1; s->highest = sequence; s->seen = 1;
    return 1;
  }
  if (ahead > 0) {
    s->seen = (ahead < 64 ? s->seen << ahead : 0) | 1;
    s->highest = sequence;
    s->told.lost += ahead - 1;
    return 1;
  }
  if (-ahead >= 64 || s->seen >> -ahead & 1) return 0;
  s->seen |= 1ull << -ahead;
  if (s->told.lost) s->told.lost--;
  return 1;
}

static void measure_jitter(stream_t *s, uint32_t timestamp, int64_t now) {
  int64_t transit = now - timestamp, change = transit - s->transit;
  s->transit = transit;
  if (change < 0) change = -change;
  if (s->transited && change < RING) s->told.jitter += change - ((s->told.jitter + 8) >> 4);
  s->transited = 1;
}

/* Whether samples of this timestamp can be played. A single packet that lies far off is not followed; two that agree are. */
static int is_placed(stream_t *s, uint32_t timestamp, int length) {
  if (!s->started) { restart(s, timestamp); return 1; }
  int64_t early = (int32_t)(timestamp - s->at) - s->debt;
  if (early > -MOST_DELAY && early <= MOST_DELAY + length) { s->suspects = 0; return 1; }
  int agrees = s->suspects && timestamp == s->suspect;
  s->suspects = 1; s->suspect = timestamp + (uint32_t)length;
  if (s->debt <= FADED && !agrees) return 0;      /* in a pause there is nothing to lose */
  restart(s, timestamp);
  return 1;
}

/* What was made up meanwhile: by as much as the packet lies ahead it stands for what was lost, by the rest for delay. */
static void settle(stream_t *s, uint32_t timestamp, int length) {
  int32_t gap = (int32_t)(timestamp - s->at);
  int64_t missed = gap <= 0 ? 0 : gap < s->debt ? gap : s->debt;
  s->at += (uint32_t)missed;
  if (gap + length > 0) s->debt = 0;
  if ((int32_t)(s->newest - s->at) < 0) s->newest = s->at;
}

/* How many samples the delay could have been less, had it come 5 ms later even; or how late it was. */
static void judge(stream_t *s, uint32_t timestamp, int length, int ahead) {
  int32_t margin = (int32_t)(timestamp - s->at) - (ahead < SAFETY ? FRAME : 0);
  if (margin < s->low[s->block]) s->low[s->block] = margin;
  if ((int32_t)(timestamp - s->at) >= 0) return;
  if ((int32_t)(timestamp + length - s->at) <= 0) s->told.late++;
  int32_t wanted = (int32_t)(s->at - timestamp);
  if (wanted <= MOST_DELAY && wanted > s->grow) s->grow = wanted;
}

static void write_samples(stream_t *s, uint32_t timestamp, const uint8_t *payload, int length) {
  for (int i = 0; i < length; i++) {
    int32_t off = (int32_t)(timestamp + i - s->at);
    if (off >= 0 && off < RING) *slot(s, timestamp + i) = linear_of[payload[i]];
  }
  if ((int32_t)(timestamp + length - s->newest) > 0) s->newest = timestamp + length;
}

/* So much waits that a talk would suffer (a stalled network let go): the older part is left out. */
static void bound(stream_t *s, int length) {
  if (depth(s) <= MOST_DELAY + length) return;
  bridge(s);
  uint32_t to = s->newest - (length > 2 * FRAME ? length : 2 * FRAME);
  for (; s->at != to; s->at++) { *slot(s, s->at) = ABSENT; s->told.squeezed++; }
}

static void audio(stream_t *s, uint32_t timestamp, const uint8_t *payload, int length, int64_t now, int ahead) {
  if (length > RING / 2) { s->told.ignored++; return; }
  s->told.packets++;
  measure_jitter(s, timestamp, now);
  if (!is_placed(s, timestamp, length)) return;
  settle(s, timestamp, length);
  judge(s, timestamp, length, ahead);
  write_samples(s, timestamp, payload, length);
  bound(s, length);
}

/* Where its payload begins and ends, both within the packet; 0 if it is no RTP. */
static int parts(const uint8_t *b, int size, int *start, int *end) {
  if (size < 12 || b[0] >> 6 != 2) return 0;
  *start = 12 + 4 * (b[0] & 15);                                          /* contributing sources */
  *end = size;
  if (b[0] & 16) {                                                        /* header extension, RFC 3550 §5.3.1 */
    if (size < *start + 4) return 0;
    *start += 4 + 4 * (b[*start + 2] << 8 | b[*start + 3]);
  }
  if (b[0] & 32) *end -= b[size - 1];                                     /* padding, §5.1 */
  return *start < *end;
}

static uint32_t number(const uint8_t *b) { return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

void stream_packet(stream_t *s, const uint8_t *b, int size, int64_t now, int ahead) {
  int start, end, kind = size > 1 ? b[1] & 127 : 0;
  if (!parts(b, size, &start, &end) || (kind >= 64 && kind <= 95)) { s->told.ignored++; return; }    /* RTCP, RFC 5761 §4 */
  uint32_t ssrc = number(b + 8);
  if (s->started && ssrc != s->ssrc) {
    if (kind != PCMA || (s->former_for && ssrc == s->former_ssrc)) { s->told.ignored++; return; }   /* it is over */
    s->former_ssrc = s->ssrc; s->former_for = FORMER_TICKS;
    s->sequenced = s->transited = 0;
    restart(s, number(b + 4));
  }
  if (kind == PCMA || s->started) {
    s->ssrc = ssrc;
    int goes_on = kind == PCMA && s->started && (uint32_t)(number(b + 4) - s->newest) < RING;
    if (!is_new(s, (uint16_t)(b[2] << 8 | b[3]), goes_on)) { s->told.doubled++; return; }
  }
  if (kind == PCMA) audio(s, number(b + 4), b + start, end - start, now, ahead);
  else s->told.ignored++;                                  /* keys (RFC 4733) and comfort noise: rtpengine sees to them */
}

/* -- ticks ------------------------------------------------------------------------------------------------------------ */

/* Samples that stand at `at` without a hole, `most` at most. */
static int present(stream_t *s, int most) {
  int n = 0;
  while (n < most && *slot(s, s->at + n) != ABSENT) n++;
  return n;
}

static int absent(stream_t *s, int most) {
  int n = 0;
  while (n < most && *slot(s, s->at + n) == ABSENT) n++;
  return n;
}

static int16_t taken(stream_t *s) {
  int16_t *here = slot(s, s->at++), value = *here;
  *here = ABSENT;
  return value;
}

/* What can be had of the rest of a frame in one piece. */
static int piece(stream_t *s, int16_t *out, int count) {
  int n = present(s, count);
  if (n) {
    for (int i = 0; i < n; i++) out[i] = merged(s, taken(s));
    return n;
  }
  int waits = depth(s) > 0;
  n = waits ? absent(s, count) : count;
  conceal(s, out, n);
  if (waits) s->at += n;
  else s->debt += n;
  return n;
}

static float mix(float a, float b, int i, int n) { return a + (b - a) * (i + 1) / (n + 1); }

static int best_lag(const int16_t *x, int most, float *alike) {
  int best = LEAST_LAG;
  *alike = -2;
  for (int lag = LEAST_LAG; lag <= most; lag++) {
    float is = likeness(x, x + lag, OVERLAP);
    if (is >= *alike) { *alike = is; best = lag; }
  }
  return best;
}

static void shift_margins(stream_t *s, int by) {
  for (int i = 0; i < CALM_BLOCKS; i++)
    if (s->low[i] != CALM) s->low[i] += by;
}

/* A frame of a period less than a frame: heard twice is what is alike. */
static void stretch(stream_t *s, int16_t *out) {
  int16_t x[FRAME];
  for (int i = 0; i < FRAME; i++) x[i] = *slot(s, s->at + i);
  float alike;
  int lag = best_lag(x, FRAME - OVERLAP, &alike);
  for (int i = 0; i < FRAME; i++)
    out[i] = i < lag ? x[i] : i < lag + OVERLAP ? (int16_t)mix(x[i], x[i - lag], i - lag, OVERLAP) : x[i - lag];
  for (int i = 0; i < FRAME - lag; i++) taken(s);
  s->grow = s->grow > lag ? s->grow - lag : 0;
  s->told.stretched += lag;
  shift_margins(s, lag);
}

/* A frame of a period more than a frame; 0 if there is no good place for it. */
static int squeeze(stream_t *s, int16_t *out, int most) {
  int16_t x[FRAME + MOST_LAG];
  for (int i = 0; i < FRAME + most; i++) x[i] = *slot(s, s->at + i);
  float alike;
  int lag = best_lag(x, most, &alike);
  if (alike < 0.8f && s->rest > -RELUCTANT) return 0;
  for (int i = 0; i < FRAME; i++) out[i] = i < OVERLAP ? (int16_t)mix(x[i], x[i + lag], i, OVERLAP) : x[i + lag];
  for (int i = 0; i < FRAME + lag; i++) taken(s);
  s->told.squeezed += lag;
  shift_margins(s, -lag);
  s->rest = REST_TICKS;
  return 1;
}

/* How many samples all packets of the last ten seconds had in hand; 0 if that is not known yet. */
static int32_t in_hand(const stream_t *s) {
  if (s->blocks < CALM_BLOCKS) return 0;
  int32_t least = CALM;
  for (int i = 0; i < CALM_BLOCKS; i++) least = s->low[i] < least ? s->low[i] : least;
  return least;
}

static int resized(stream_t *s, int16_t *out) {
  int ready = present(s, FRAME + MOST_LAG);
  if (s->lacking || ready < FRAME) return 0;
  if (s->grow > 0) {
    if (depth(s) + s->grow <= MOST_DELAY) { stretch(s, out); return 1; }
    s->grow = 0;
  }
  int32_t spare = in_hand(s);
  int most = ready - FRAME < spare ? ready - FRAME : spare;
  return s->rest <= 0 && most >= LEAST_LAG && squeeze(s, out, most);
}

static void count_tick(stream_t *s) {
  if (s->former_for) s->former_for--;
  s->rest--;
  if (++s->ticks < BLOCK_TICKS) return;
  s->ticks = 0;
  s->block = (s->block + 1) % CALM_BLOCKS;
  s->low[s->block] = CALM;
  if (s->blocks < CALM_BLOCKS) s->blocks++;
}

static void meter(stream_t *s, const int16_t *frame) {
  float sum = 0;
  for (int i = 0; i < FRAME; i++) sum += (float)frame[i] * frame[i];
  s->told.power += (sum / FRAME - s->told.power) * 0.2f;
}

int stream_take(stream_t *s, int16_t *frame) {
  int16_t *out = s->line + PAST;
  if (!s->started) { memset(frame, 0, FRAME * sizeof *frame); return 0; }
  count_tick(s);
  s->told.depth = depth(s) > 0 ? depth(s) : 0;
  if (s->lacking >= FADED && !s->told.depth) {             /* a pause */
    s->debt += FRAME;
    s->told.power *= 0.8f;
    memset(s->line, 0, sizeof s->line);
    memset(frame, 0, FRAME * sizeof *frame);
    return 0;
  }
  if (!resized(s, out))
    for (int n = 0; n < FRAME;) n += piece(s, out + n, FRAME - n);
  memcpy(frame, out, FRAME * sizeof *frame);
  memmove(s->line, s->line + FRAME, PAST * sizeof *s->line);
  meter(s, frame);
  return 1;
}

void stream_fade(stream_t *s, int16_t *frame) {
  if (!s->lacking) conceal_from(s, s->line + PAST);
  for (int i = 0; i < FRAME; i++) frame[i] = (int16_t)(made_up(s) * (FRAME - i) / (FRAME + 1));
}

void stream_pause(stream_t *s, int frames) {
  if (!s->started) return;
  empty(s);
  s->newest = s->at;
  s->debt += (int64_t)frames * FRAME + FADED;
}
