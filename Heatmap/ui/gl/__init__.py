"""The OpenGL layer beneath the page: widget, painters, stamp reader."""
