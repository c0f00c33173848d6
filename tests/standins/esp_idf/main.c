#include <stdint.h>

#include "esp_timer.h"
#include "freertos/task.h"

void app_main(void);

int64_t esp_timer_get_time(void) { return 0; }
void vTaskDelay(uint32_t ticks) { (void)ticks; }

int main(void) {
  app_main();
  return 0;
}
