/* A-law (ITU-T G.711) by table. */
#ifndef G711_H
#define G711_H
#include <stdint.h>

#define SILENCE 0xD5           /* A-law zero */
#define LOUDEST 32256          /* the largest sample that A-law knows */

extern int16_t linear_of[256];
extern uint8_t alaw_of[4096];  /* by sample / 16: no threshold of A-law lies between */

void g711_init(void);

static inline uint8_t to_alaw(int sample) { return alaw_of[(sample >> 4) + 2048]; }

#endif
