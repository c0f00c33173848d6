#include "strided_copy_8.h"

#include <string.h>

static int8_t *copy_run(const int8_t *x, int32_t stride, int32_t count, int8_t *y) {
  if (stride == 1) {
    memcpy(y, x, (size_t)count);
    return y + count;
  }
  for (int32_t i = 0; i < count; ++i) {
    *y++ = *x;
    x += stride;
  }
  return y;
}

void strided_copy_8(const struct strided_copy_params *params, struct input_rows input,
                    struct output_rows output, int32_t first_row, int32_t end_row) {
  const int32_t *shape = params->shape;
  const int32_t *stride = params->stride;
  for (int32_t row = first_row; row < end_row; ++row) {
    int32_t source = params->first_row + row * params->row_stride;
    const int8_t *x = input_row(input, source, params->input_row_bytes) + params->offset;
    int8_t *y = output_row(output, row, params->output_row_bytes);
    for (int32_t i = 0; i < shape[0]; ++i) {
      for (int32_t j = 0; j < shape[1]; ++j) {
        for (int32_t k = 0; k < shape[2]; ++k) {
          int32_t offset = i * stride[0] + j * stride[1] + k * stride[2];
          y = copy_run(x + offset, stride[3], shape[3], y);
        }
      }
    }
  }
}
