// The inner loop of the depthwise convolution 3x3: a window slides along rows, of one channel after
// the other. The words of `taps` are those of depthwise_conv_2d_3x3_dsp_s8.h.
#ifndef ESPALIER_KERNELS_DSP_DEPTHWISE_3X3_WALK_H_
#define ESPALIER_KERNELS_DSP_DEPTHWISE_3X3_WALK_H_

#include <stdint.h>

enum { PAD_LEFT = 1, STRIDE_2 = 2, PAD_RIGHT = 4, PAD_ABOVE = 8, PAD_BELOW = 16 };

// Rows of output that one walk over all channels computes: their input rows follow each other at
// equal distances; where padding is among them, there is only one row.
struct depthwise_walk {
  const int32_t *taps;
  const int8_t *input;  // first pixel of three rows, none of them padding
  int32_t second_row;   // from the first row
  intptr_t output;      // bytes to an output pixel from the input pixel in its window's last column
  int32_t third_row;    // from the first row
  int32_t span;         // bytes of a row up to the last column that is not padding
  int32_t next_input;   // from there to the next row
  int32_t next_output;  // change of `output` until then
  int32_t rows;
  int32_t channels;
  uint32_t zero_point;  // of the input, in both lanes
  uint32_t flags;
  int32_t whole;     // outputs of a row without padding on the right
  int32_t state[8];  // the assembly's own
};

// By value: the functions change the walk, which lies in the stack as they need it.
void depthwise_3x3_walk_relu(struct depthwise_walk walk);
void depthwise_3x3_walk_relu_coarse(struct depthwise_walk walk);
void depthwise_3x3_walk(struct depthwise_walk walk);
void depthwise_3x3_walk_fine(struct depthwise_walk walk);

#endif  // ESPALIER_KERNELS_DSP_DEPTHWISE_3X3_WALK_H_
