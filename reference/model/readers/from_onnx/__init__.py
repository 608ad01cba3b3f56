"""ONNX files, read operator by operator, and run to compare."""
