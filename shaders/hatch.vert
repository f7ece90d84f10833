#version 330 core
// A time without a record.
in vec2 place;      // device pixels of the underlay, origin top left
in float gap_shift; // from a pixel's column to its distance from the gap's beginning, device pixels

uniform vec2 surface_px;

flat out float shift;

void main() {
    shift = gap_shift;
    vec2 clip = place / surface_px * 2.0 - 1.0;
    gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}
