// As much of the camera's library as an exported sketch uses; frames come from standard input.
#ifndef ESPALIER_STANDINS_ARDUINO_OV767X_H_
#define ESPALIER_STANDINS_ARDUINO_OV767X_H_

enum { YUV422 = 0, RGB444 = 1, RGB565 = 2, GRAYSCALE = 4 };
enum { VGA = 0, CIF = 1, QVGA = 2, QCIF = 3, QQVGA = 4 };
enum { OV7670 = 0, OV7675 = 1 };

class StandInCamera {
 public:
  int begin(int resolution, int format, int fps, int camera_id = OV7670);
  void readFrame(void *buffer);

 private:
  unsigned frame_bytes_ = 0;
};

extern StandInCamera Camera;

#endif  // ESPALIER_STANDINS_ARDUINO_OV767X_H_
