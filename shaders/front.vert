#version 330 core
// A rectangle in front of the candles, filled by a part of the atlas.
in vec2 place; // device pixels of the page, origin top left
in vec2 texel; // of the atlas
in vec4 tint;  // premultiplied

uniform vec2 surface_px;
uniform vec2 atlas_px;

out vec2 atlas_at;
flat out vec4 tint_of;

void main() {
    atlas_at = texel / atlas_px;
    tint_of = tint;
    vec2 clip = place / surface_px * 2.0 - 1.0;
    gl_Position = vec4(clip.x, -clip.y, 0.0, 1.0);
}
