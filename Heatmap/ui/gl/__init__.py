"""The OpenGL layer beneath the page: widget, painters, textures."""
