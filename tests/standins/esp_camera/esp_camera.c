#include "esp_camera.h"

#include <stdio.h>
#include <stdlib.h>

static const size_t kSides[][2] = {{96, 96},   {160, 120}, {176, 144}, {240, 176},
                                   {240, 240}, {320, 240}, {640, 480}};
static camera_fb_t taken;

esp_err_t esp_camera_init(const camera_config_t *config) {
  taken.format = config->pixel_format;
  taken.width = kSides[config->frame_size][0];
  taken.height = kSides[config->frame_size][1];
  taken.len = taken.width * taken.height * (taken.format == PIXFORMAT_GRAYSCALE ? 1 : 2);
  return ESP_OK;
}

camera_fb_t *esp_camera_fb_get(void) {
  taken.buf = malloc(taken.len);
  if (taken.buf == NULL || fread(taken.buf, 1, taken.len, stdin) != taken.len) {
    exit(0);
  }
  return &taken;
}

void esp_camera_fb_return(camera_fb_t *frame) { free(frame->buf); }
