"""From a .tflite file to a graph, and from a graph to a plan of its memory."""
