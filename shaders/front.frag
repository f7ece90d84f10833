#version 330 core
// Premultiplied colours of the atlas, times the rectangle's colour.
in vec2 atlas_at;
flat in vec4 tint_of;

uniform sampler2D atlas;

out vec4 color;

void main() {
    color = texture(atlas, atlas_at) * tint_of;
}
