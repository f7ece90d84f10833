#version 330 core
// Triangles of the pane within which time is linear in x.
in vec2 place;         // device pixels of the underlay, origin top left
in float time_share;   // 0 at the left edge of the grid, 1 at its right edge
in float height_share; // 0 at the pane's top, 1 at its bottom

uniform vec2 surface_px;

out float time_at;
out float height_at;

void main() {
    time_at = time_share;
    height_at = height_share;
    vec2 clip = place / surface_px * 2.0 - 1.0;
    gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}
