// Frames of a camera to the input of a model, row by row as they arrive: cropped or fitted, scaled
// down or up with an antialiased bilinear filter, quantized. No frame is kept, only the few
// resampled rows that one row of the input is made of.
//
// Bit-exact with what training does to pictures (pipeline/data/frames.py), which is Pillow's
// arithmetic: columns first, rounded to bytes, then rows; weights have 22 bits.
#ifndef ESPALIER_CAMERA_FRAME_H_
#define ESPALIER_CAMERA_FRAME_H_

#include <stdint.h>

// One output of a resampling: the position of the first of its sources, and the position of its
// weights in the table of all. There stand how many they are, then the weights in units of 2^-22.
struct frame_taps {
  uint16_t first;
  uint16_t weights;
};

struct frame_params;

// Resamples one row of the frame. There is one such function for each format of pixels and number
// of planes.
//   row   [width] pixels           line  [columns, planes]
typedef void frame_columns(const struct frame_params *params, const uint8_t *row, uint8_t *line);

struct frame_params {
  uint16_t height;                   // rows of a frame
  uint16_t num_columns, num_rows;    // of the picture in the input
  uint16_t line_rows;                // resampled rows that are needed at once
  uint8_t planes;                    // of the resampled rows: 3 (RGB) or 1 (luma or grey)
  uint8_t copies;                    // of each resampled value in the input: 3 of a grey
                                     // frame for a model of colours, otherwise 1
  uint8_t flip;                      // 0x80 for an int8 input, which is pixel - 128; or 0
  uint32_t offset_bytes;             // of the picture in the input
  uint32_t row_bytes, input_bytes;   // of the input
  const struct frame_taps *columns;  // [num_columns]
  const struct frame_taps *rows;     // [num_rows]
  const uint32_t *weights;           // the table
  frame_columns *resample_columns;
};

// A frame that is being taken.
struct frame_state {
  uint8_t *input;      // the model's input
  uint8_t *lines;      // [line_rows, num_columns, planes]
  uint16_t row;        // of the frame that comes next
  uint16_t input_row;  // of the picture in the input that comes next
};

// Begins a frame: greys what the picture leaves free of the input.
void frame_begin(const struct frame_params *params, struct frame_state *state);

// Takes the next row of the frame, and writes the rows of the input that it completes. Rows beyond
// the frame's height are ignored.
void frame_row(const struct frame_params *params, struct frame_state *state, const uint8_t *row);

frame_columns frame_columns_rgb565_rgb;     // high byte first
frame_columns frame_columns_rgb565_luma;    // high byte first
frame_columns frame_columns_rgb565le_rgb;   // low byte first
frame_columns frame_columns_rgb565le_luma;  // low byte first
frame_columns frame_columns_rgb888_rgb;
frame_columns frame_columns_rgb888_luma;
frame_columns frame_columns_grey;

#endif  // ESPALIER_CAMERA_FRAME_H_
