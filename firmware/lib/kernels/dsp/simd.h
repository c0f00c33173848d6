// The DSP instructions of a Cortex-M4 that the kernels in this folder use, one function each.
//
// Inline assembly rather than <arm_acle.h>: GCC 7 lacks its intrinsics. Each function has a twin in
// plain C for processors without these instructions, so that the very same kernels and weights run
// on any little-endian machine, under sanitizers too.
//
// A word holds two int16 lanes ("bottom" in bits 15..0, "top" in 31..16) or four int8 lanes, the
// first in memory lowest. Sums wrap around at 32 bits, lanes at 16.
#ifndef ESPALIER_KERNELS_DSP_SIMD_H_
#define ESPALIER_KERNELS_DSP_SIMD_H_

#include <stdint.h>

// Loads and stores of any alignment, one instruction each; memcpy would be a call where the
// compiler is told that there is no C library.
static inline uint32_t load_word(const void *from) {
  uint32_t word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

static inline void store_word(void *to, uint32_t word) { __builtin_memcpy(to, &word, sizeof word); }

static inline void store_half(void *to, uint32_t half) {
  uint16_t bits = (uint16_t)half;
  __builtin_memcpy(to, &bits, sizeof bits);
}

// What the twins are made of.
static inline int32_t simd_bottom(uint32_t a) { return (int16_t)(uint16_t)a; }
static inline int32_t simd_top(uint32_t a) { return (int16_t)(uint16_t)(a >> 16); }
static inline int32_t simd_byte(uint32_t a, int lane) { return (int8_t)(uint8_t)(a >> 8 * lane); }
static inline uint32_t simd_lanes(int32_t bottom, int32_t top) {
  return ((uint32_t)bottom & 0xFFFFu) | (uint32_t)top << 16;
}
static inline uint32_t simd_select(uint32_t a, uint32_t b, int larger) {
  uint32_t result = 0;
  for (int lane = 0; lane < 4; ++lane) {
    int a_is_larger = simd_byte(a, lane) >= simd_byte(b, lane);
    result |= (a_is_larger == larger ? a : b) & (0xFFu << 8 * lane);
  }
  return result;
}
static inline int32_t simd_add(int32_t a, int32_t b) {
  return (int32_t)((uint32_t)a + (uint32_t)b);
}
static inline int32_t simd_high(int64_t x) { return (int32_t)(uint32_t)((uint64_t)x >> 32); }
static inline int32_t simd_ssat8(int32_t a) { return a < -128 ? -128 : a > 127 ? 127 : a; }

#if defined(__ARM_FEATURE_DSP)
// A function written in assembly as a whole, where compilers would run out of registers. Not a
// naked function: GCC would believe that it leaves alone every register that it seems not to use.
#define ASSEMBLY_FUNCTION(name, code)                                               \
  __asm__(                                                                          \
      ".syntax unified\n"                                                           \
      ".pushsection .text." #name                                                   \
      ",\"ax\",%progbits\n"                                                         \
      ".p2align 2\n"                                                                \
      ".thumb\n"                                                                    \
      ".thumb_func\n"                                                               \
      ".global " #name                                                              \
      "\n"                                                                          \
      ".type " #name ", %function\n" #name ":\n" code ".size " #name ", . - " #name \
      "\n"                                                                          \
      ".popsection\n");

// volatile: GCC's scheduler would hoist every load over the multiplications, and spill.
#define SIMD_1(result_t, name, a_t, text, twin)     \
  static inline result_t name(a_t a) {              \
    result_t result;                                \
    __asm__ volatile(text : "=r"(result) : "r"(a)); \
    return result;                                  \
  }
#define SIMD_2(result_t, name, a_t, b_t, text, twin)        \
  static inline result_t name(a_t a, b_t b) {               \
    result_t result;                                        \
    __asm__ volatile(text : "=r"(result) : "r"(a), "r"(b)); \
    return result;                                          \
  }
#define SIMD_3(result_t, name, a_t, b_t, c_t, text, twin)           \
  static inline result_t name(a_t a, b_t b, c_t c) {                \
    result_t result;                                                \
    __asm__ volatile(text : "=r"(result) : "r"(a), "r"(b), "r"(c)); \
    return result;                                                  \
  }
#else
#define SIMD_1(result_t, name, a_t, text, twin) \
  static inline result_t name(a_t a) { return twin; }
#define SIMD_2(result_t, name, a_t, b_t, text, twin) \
  static inline result_t name(a_t a, b_t b) { return twin; }
#define SIMD_3(result_t, name, a_t, b_t, c_t, text, twin) \
  static inline result_t name(a_t a, b_t b, c_t c) { return twin; }
#endif

// clang-format off

// Bytes 0 and 2, or 1 and 3, widened to lanes.
SIMD_1(uint32_t, sxtb16, uint32_t, "sxtb16 %0, %1",
       simd_lanes(simd_byte(a, 0), simd_byte(a, 2)))
SIMD_1(uint32_t, sxtb16_ror8, uint32_t, "sxtb16 %0, %1, ror #8",
       simd_lanes(simd_byte(a, 1), simd_byte(a, 3)))

// a plus those, lane by lane.
SIMD_2(uint32_t, sxtab16, uint32_t, uint32_t, "sxtab16 %0, %1, %2",
       simd_lanes(simd_bottom(a) + simd_byte(b, 0), simd_top(a) + simd_byte(b, 2)))
SIMD_2(uint32_t, sxtab16_ror8, uint32_t, uint32_t, "sxtab16 %0, %1, %2, ror #8",
       simd_lanes(simd_bottom(a) + simd_byte(b, 1), simd_top(a) + simd_byte(b, 3)))

// The lanes {bottom of a, bottom of b}; the lanes {top of b, top of a}.
SIMD_2(uint32_t, pkhbt, uint32_t, uint32_t, "pkhbt %0, %1, %2, lsl #16",
       (a & 0xFFFFu) | b << 16)
SIMD_2(uint32_t, pkhtb, uint32_t, uint32_t, "pkhtb %0, %1, %2, asr #16",
       (a & 0xFFFF0000u) | b >> 16)

// Lane by lane.
SIMD_2(uint32_t, sadd16, uint32_t, uint32_t, "sadd16 %0, %1, %2",
       simd_lanes(simd_bottom(a) + simd_bottom(b), simd_top(a) + simd_top(b)))
SIMD_2(uint32_t, ssub16, uint32_t, uint32_t, "ssub16 %0, %1, %2",
       simd_lanes(simd_bottom(a) - simd_bottom(b), simd_top(a) - simd_top(b)))

// Products of lanes: (b)ottom or (t)op of a, then of b.
SIMD_2(int32_t, smulbb, uint32_t, uint32_t, "smulbb %0, %1, %2", simd_bottom(a) * simd_bottom(b))
SIMD_2(int32_t, smulbt, uint32_t, uint32_t, "smulbt %0, %1, %2", simd_bottom(a) * simd_top(b))
SIMD_2(int32_t, smultb, uint32_t, uint32_t, "smultb %0, %1, %2", simd_top(a) * simd_bottom(b))
SIMD_2(int32_t, smultt, uint32_t, uint32_t, "smultt %0, %1, %2", simd_top(a) * simd_top(b))
// The same plus c.
SIMD_3(int32_t, smlabb, uint32_t, uint32_t, int32_t, "smlabb %0, %1, %2, %3",
       simd_add(c, simd_bottom(a) * simd_bottom(b)))
SIMD_3(int32_t, smlabt, uint32_t, uint32_t, int32_t, "smlabt %0, %1, %2, %3",
       simd_add(c, simd_bottom(a) * simd_top(b)))
SIMD_3(int32_t, smlatb, uint32_t, uint32_t, int32_t, "smlatb %0, %1, %2, %3",
       simd_add(c, simd_top(a) * simd_bottom(b)))
SIMD_3(int32_t, smlatt, uint32_t, uint32_t, int32_t, "smlatt %0, %1, %2, %3",
       simd_add(c, simd_top(a) * simd_top(b)))

// Bottom by bottom plus top by top; smladx: bottom by top plus top by bottom. Then plus c.
SIMD_2(int32_t, smuad, uint32_t, uint32_t, "smuad %0, %1, %2",
       simd_add(simd_bottom(a) * simd_bottom(b), simd_top(a) * simd_top(b)))
SIMD_3(int32_t, smlad, uint32_t, uint32_t, int32_t, "smlad %0, %1, %2, %3",
       simd_add(c, simd_add(simd_bottom(a) * simd_bottom(b), simd_top(a) * simd_top(b))))
SIMD_3(int32_t, smladx, uint32_t, uint32_t, int32_t, "smladx %0, %1, %2, %3",
       simd_add(c, simd_add(simd_bottom(a) * simd_top(b), simd_top(a) * simd_bottom(b))))

// Upper words of 64-bit values: of a * b, of c * 2^32 + a * b; an r rounds, by adding 2^31 before.
SIMD_2(int32_t, smmul, int32_t, int32_t, "smmul %0, %1, %2", simd_high((int64_t)a * b))
SIMD_2(int32_t, smmulr, int32_t, int32_t, "smmulr %0, %1, %2",
       simd_high((int64_t)a * b + INT64_C(0x80000000)))
SIMD_3(int32_t, smmla, int32_t, int32_t, int32_t, "smmla %0, %1, %2, %3",
       simd_add(c, simd_high((int64_t)a * b)))
SIMD_3(int32_t, smmlar, int32_t, int32_t, int32_t, "smmlar %0, %1, %2, %3",
       simd_add(c, simd_high((int64_t)a * b + INT64_C(0x80000000))))

// Saturated to int8.
SIMD_1(int32_t, ssat8, int32_t, "ssat %0, #8, %1", simd_ssat8(a))

// clang-format on

// The larger of each pair of signed bytes. Two instructions: flags are lost between statements.
static inline uint32_t max_s8x4(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
  uint32_t result;
  __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
  return result;
#else
  return simd_select(a, b, 1);
#endif
}

// The smaller.
static inline uint32_t min_s8x4(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_DSP)
  uint32_t result;
  __asm__("ssub8 %0, %1, %2\n\tsel %0, %2, %1" : "=&r"(result) : "r"(a), "r"(b));
  return result;
#else
  return simd_select(a, b, 0);
#endif
}

// a >> shift, saturated to int8; shift is a literal in 1 .. 31.
#if defined(__ARM_FEATURE_DSP)
#define SSAT8_ASR(a, shift)                                                             \
  __extension__({                                                                       \
    int32_t ssat8_asr;                                                                  \
    __asm__ volatile("ssat %0, #8, %1, asr %2" : "=r"(ssat8_asr) : "r"(a), "I"(shift)); \
    ssat8_asr;                                                                          \
  })
#else
#define SSAT8_ASR(a, shift) simd_ssat8((a) >> (shift))
#endif

#endif  // ESPALIER_KERNELS_DSP_SIMD_H_
