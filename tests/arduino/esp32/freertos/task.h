#include "esp32.h"
