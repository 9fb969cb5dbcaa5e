"""ONNX models: loading and checking them, and answering rows within a latency budget."""
