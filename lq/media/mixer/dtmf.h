/* Keys heard in the voice (ITU-T Q.23, Q.24). */
#ifndef DTMF_H
#define DTMF_H
#include <stdint.h>

#define DTMF_BLOCK 102         /* 12.75 ms: a tone of 40 ms fills two blocks, wherever it begins */

typedef struct {
  float one[8], two[8], energy;
  int count;                   /* samples of this block */
  char before, key;            /* the last block's; the one that is pressed, 0: none */
  int gone;                    /* blocks without it */
  int blocks;                  /* so long it is pressed */
} dtmf_t;

/* The key that ended within these samples, 0: none; *ms: how long it was pressed. */
char dtmf_hear(dtmf_t *d, const int16_t *samples, int count, int *ms);

#endif
