// What TensorFlow Lite Micro (TFLM) says, caught in a small buffer instead of going to the line.
#ifndef ESPALIER_ENGINE_TFLM_LOG_H_
#define ESPALIER_ENGINE_TFLM_LOG_H_

namespace espalier {

// Starts a new text with `prefix`. What TFLM prints from here on follows it, one message after
// the other as far as there is room: the first one names the cause.
void log_begin(const char *prefix);

// The text since log_begin; valid until the next one.
const char *log_text();

}  // namespace espalier

#endif  // ESPALIER_ENGINE_TFLM_LOG_H_
