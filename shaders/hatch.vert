#version 330 core
// A time without a record.
in vec2 place;       // device pixels of the underlay, origin top left
in float from_start; // device pixels to the right of the gap's beginning

uniform vec2 surface_px;

out vec2 along;

void main() {
    along = vec2(from_start, place.y);
    vec2 clip = place / surface_px * 2.0 - 1.0;
    gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}
