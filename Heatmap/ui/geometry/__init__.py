"""Arithmetic between chart, grid and pixels: no Qt, no OpenGL."""
